"""A killed agent and a full disk leave no half file and no half collection."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samovar_agent.documents.transfer import PARTIAL, import_
from samovar_agent.store.store import Store
from tests.samovar_agent.documents.killed_importer import MANY
from tests.samovar_agent.documents.transfer_made import dump
from tests.samovar_agent.store.documents_made import sound
from tests.samovar_agent.store.small_disk import run_on_small_disk

ROOT = Path(__file__).parents[3]
KILLS = 6


def killed(folder: Path, chance: random.Random, *, importing: bool) -> list[str]:
    """Export and import until the kill; returns the imports that were acknowledged. - importing: kill it within one."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.samovar_agent.documents.killed_importer", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as importer:
        assert importer.stdout is not None
        assert importer.stdout.readline() == "ready\n"
        if importing:
            assert importer.stdout.readline() == "!\n"
        else:
            time.sleep(chance.uniform(0, 1.0))
        importer.kill()
        return [line for line in importer.stdout.read().splitlines() if line != "!"]


@pytest.mark.processes
async def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(5)
    (tmp_path / "out").mkdir()
    names = {"papers"}
    file = tmp_path / "out" / "f"
    cut_short = 0
    for number in range(KILLS):
        acknowledged = killed(tmp_path, chance, importing=number % 2 == 0)
        store = await Store.open(tmp_path / "samovar.db")
        while gone := await store.documents.sweep():
            cut_short += bool(gone)
        rows = await store.collections.ls()
        now = {row.name for row in rows}
        assert now >= names | set(acknowledged)
        assert len(now) <= len(names | set(acknowledged)) + 1, "one may be whole that nobody was told of"
        [papers] = [row for row in rows if row.name == "papers"]
        before = await dump(store, papers)
        for row in rows:
            assert await dump(store, row) == before
        documents = await store.run(lambda db: db.execute("SELECT count(*) FROM documents").fetchone()[0])
        assert documents == len(rows) * (MANY + 6), "nothing is left of one that was cut short"
        await sound(store)
        if file.exists():
            came = await import_(store, file, None, on_progress=lambda progress: None)
            assert await dump(store, came) == before, "a file that has its name is whole"
            await store.collections.delete(came.id)
            while await store.documents.sweep():
                pass
        assert {path.name for path in file.parent.iterdir()} <= {"f", f"f{PARTIAL}"}
        await store.close()
        names = now
    assert cut_short, "no kill came while something was imported"


@pytest.mark.processes
def test_a_full_disk(tmp_path: Path) -> None:
    run_on_small_disk(tmp_path, "tests.samovar_agent.documents.full_disk_import", megabytes=60)
