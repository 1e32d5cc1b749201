"""What tests of reading files share."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.extraction.limits import Limits

Write = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a file with that name and content."""

    def make(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
async def extractor(tmp_path: Path) -> AsyncIterator[Extractor]:
    """The real thing, with little patience."""
    one = Extractor(
        tmp_path / "scratch", Limits(seconds=30, file_bytes=64 * 1024 * 1024, memory_bytes=768 * 1024 * 1024)
    )
    yield one
    await one.close()
