"""Headers that are refused, and files that become so."""

from pathlib import Path

import pytest

from samovar_agent.models.gguf import read_header
from samovar_protocol import FailureCode, SamovarError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiny.gguf"


def refused(path: Path, code: FailureCode = FailureCode.MODEL_FILE_BROKEN) -> str:
    with pytest.raises(SamovarError) as caught:
        read_header(path)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value.failure.message


def patched(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path
