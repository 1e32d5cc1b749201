"""Reading goes on while somebody writes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

from samovar_agent.store.store import Store


def names(db: Database) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM collections ORDER BY name")]


@contextmanager
def writing(store: Store) -> Iterator[tuple[asyncio.Future[None], threading.Event, threading.Event]]:
    """A write that has happened once the first event is set, and is not committed until the second is."""
    begun, may_end = threading.Event(), threading.Event()

    def write(db: Database) -> None:
        db.execute("INSERT INTO collections (name, words_only, created_at, settings) VALUES ('new', 0, 1, '{}')")
        begun.set()
        assert may_end.wait(20)

    task = asyncio.ensure_future(store.run(write))
    try:
        yield task, begun, may_end
    finally:
        may_end.set()


async def test_eight_readers_see_the_last_commit_while_a_write_is_not_done(store: Store) -> None:
    await store.collections.create("old")
    with writing(store) as (task, begun, may_end):
        assert await asyncio.to_thread(begun.wait, 20)
        for _ in range(20):
            assert await asyncio.gather(*(store.read(names) for _ in range(8))) == [["old"]] * 8
        assert not task.done()
        may_end.set()
        await task
    assert await store.read(names) == ["new", "old"]


async def test_a_reader_sees_one_state_throughout(store: Store) -> None:
    first_seen, written = threading.Event(), threading.Event()

    def twice(db: Database) -> tuple[list[str], list[str]]:
        before = names(db)
        first_seen.set()
        assert written.wait(20)
        return before, names(db)

    reading = asyncio.ensure_future(store.read(twice))
    await asyncio.to_thread(first_seen.wait, 20)
    await store.collections.create("new")
    written.set()
    assert await reading == ([], [])
    assert await store.read(names) == ["new"]


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match="readonly"):
        await store.read(lambda db: db.execute("DELETE FROM collections"))
    await store.collections.create("still writes")


async def test_a_reader_that_fails_can_be_used_again(store: Store) -> None:
    for _ in range(10):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await store.read(lambda db: db.execute("SELECT * FROM nowhere"))
    assert await store.read(names) == []


async def test_close_waits_for_readers_and_leaves_one_file(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    await store.collections.create("papers")
    reading = [asyncio.ensure_future(store.read(names)) for _ in range(30)]
    await asyncio.sleep(0)
    await store.close()
    assert [await task for task in reading] == [["papers"]] * 30
    assert {path.name for path in tmp_path.iterdir()} - {"samovar.db-reserve"} == {"samovar.db"}


async def test_without_a_write_ahead_log_reads_wait_in_line(store: Store) -> None:
    store.journal_mode = "delete"
    await store.collections.create("papers")
    threads = {await store.read(lambda db: threading.get_ident()), await store.run(lambda db: threading.get_ident())}
    assert len(threads) == 1
    assert await store.read(names) == ["papers"]
