"""What much was written goes into the database beside further writing, and a failure of that costs nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from samovar_agent.store.checkpoints import Checkpoints
from samovar_agent.store.store import Store


async def _fill(store: Store) -> None:
    await store.run(lambda db: db.execute("CREATE TABLE IF NOT EXISTS filled (x BLOB)"))
    await store.run(lambda db: db.execute("INSERT INTO filled VALUES (randomblob(3000000))"))


async def test_the_database_grows_without_the_writer_doing_it(store: Store) -> None:
    await _fill(store)
    assert store.path.stat().st_size < 3_000_000, "it is in the log until somebody brings it over"
    store.much_was_written()
    deadline = time.monotonic() + 10
    while store.path.stat().st_size < 3_000_000:
        assert time.monotonic() < deadline
        await _fill(store)  # goes on meanwhile
        store.much_was_written()
        await asyncio.sleep(0.01)
    assert await store.check() is None


async def test_a_database_that_cannot_be_written_is_left_to_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database" * 100)
    checkpoints = Checkpoints(path)
    checkpoints.begin()
    checkpoints.close()
    checkpoints.begin()  # after the end nothing happens
    assert path.read_bytes() == b"no database" * 100


async def test_who_holds_an_old_state_keeps_it(store: Store) -> None:
    await _fill(store)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        [[before]] = reader.execute("SELECT count(*) FROM filled").fetchall()
        for _ in range(3):
            await _fill(store)
            store.much_was_written()
        assert reader.execute("SELECT count(*) FROM filled").fetchone() == (before,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM filled").fetchone() == (before + 3,)


async def test_on_a_disk_that_is_nearly_full_it_is_left_to_the_writer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    await _fill(store)
    before = store.path.stat().st_size
    checkpoints = Checkpoints(store.path)
    checkpoints.begin()
    checkpoints.close()
    assert store.path.stat().st_size == before
