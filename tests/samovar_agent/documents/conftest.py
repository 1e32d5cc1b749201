"""A bench for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.samovar_agent.documents.bench import Bench


@pytest.fixture
async def documents_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = await Bench.open(tmp_path)
    yield bench
    await bench.store.close()
