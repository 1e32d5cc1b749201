"""A killed agent and a full disk cost documents nothing that was acknowledged, and leave nothing by half."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samovar_agent.store.store import Store
from tests.samovar_agent.store.documents_made import sound
from tests.samovar_agent.store.killed_indexer import DOCUMENTS, PASSAGES, passages
from tests.samovar_agent.store.small_disk import run_on_small_disk

ROOT = Path(__file__).parents[3]
KILLS = 6


def killed_at_random(path: Path, chance: random.Random) -> dict[str, int]:
    """Index until the kill; returns the newest version of each document that was acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.samovar_agent.store.killed_indexer", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as indexer:
        assert indexer.stdout is not None
        lines = [indexer.stdout.readline()]
        time.sleep(chance.uniform(0, 0.5))
        indexer.kill()
        lines += indexer.stdout.read().splitlines(keepends=True)
    assert lines[0]
    versions = (line.split() for line in lines if line.endswith("\n"))  # the last one may be cut off
    return {name: int(version) for name, version in versions}


@pytest.mark.processes
async def test_kill_9_at_any_moment_of_indexing(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    chance = random.Random(5)
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        acknowledged |= killed_at_random(path, chance)
        store = await Store.open(path)
        rows = await store.documents.ls()
        texts = {row.name: await store.chunks.of_content(row.content) for row in rows if row.content is not None}
        vectors = await store.vectors.get("m", [chunk.id for chunks in texts.values() for chunk in chunks])
        await sound(store)
        assert await store.documents.sweep() == [], "replaced texts are gone with the same step"
        states = await store.documents.counts()
        await store.close()

        assert len(rows) == DOCUMENTS, "none lost, none twice"
        assert states.keys() <= {"queued", "ready"}
        for row in rows:
            chunks = texts.get(row.name, [])
            said = [chunk.text for chunk in chunks]
            version = int(said[0].rpartition(" ")[2]) if said else 0
            assert said == (passages(row.name, version) if version else [])
            assert acknowledged.get(row.name, 0) <= version <= row.revision
            assert row.state == "queued" or version == row.revision
            # Vectors are a step of their own; of one document they are all there or none.
            assert sum(chunk.id in vectors for chunk in chunks) in (0, PASSAGES)
            assert version == 0 or version > acknowledged.get(row.name, 0) or chunks[0].id in vectors


@pytest.mark.processes
def test_a_full_disk_leaves_whole_documents(tmp_path: Path) -> None:
    run_on_small_disk(tmp_path, "full_disk_documents", megabytes=6)
