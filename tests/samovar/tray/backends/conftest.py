from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samovar.tray.desktop import PrivateBus


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    private = PrivateBus(tmp_path / "b")
    yield private
    private.stop()
