"""What the store promises: off the event loop, all or nothing, and still there after a kill or a full disk."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from samovar_agent.store import connection
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.store.small_disk import run_on_small_disk

HERE = Path(__file__).parent


async def pragma(store: Store, name: str) -> object:
    return await store.run(lambda db: db.execute(f"PRAGMA {name}").fetchone()[0])


async def test_the_connection_is_as_it_must_be(store: Store) -> None:
    assert store.journal_mode == "wal"
    assert await pragma(store, "journal_mode") == "wal"
    assert await pragma(store, "synchronous") == 2, "FULL: an acknowledged revocation survives a power cut"
    assert await pragma(store, "foreign_keys") == 1
    assert await pragma(store, "busy_timeout") == 5000
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_file_system_without_wal_is_noticed_and_still_works(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # This VFS of SQLite's has no shared memory, like some network file systems.
    plain = sqlite3.connect(f"file:{tmp_path}/x.db?vfs=unix-none", uri=True)
    db = Database(plain, execute_plugins=False)
    assert connection.configure(db) == "delete"
    assert "no write-ahead log" in caplog.text
    with db.atomic():
        db.execute("CREATE TABLE t (x)")
    db.close()


async def test_work_runs_on_one_other_thread_while_the_loop_goes_on(store: Store) -> None:
    threads: set[int] = set()
    waiting = threading.Event()

    def block(db: Database) -> None:
        threads.add(threading.get_ident())
        assert waiting.wait(10)

    blocked = [asyncio.ensure_future(store.run(block)) for _ in range(3)]
    for _ in range(50):
        await asyncio.sleep(0)  # would never return if the loop were blocked
    assert not any(task.done() for task in blocked)
    waiting.set()
    await asyncio.gather(*blocked)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_function_that_raises_has_changed_nothing(store: Store) -> None:
    def half(db: Database) -> None:
        db.execute(
            "INSERT INTO network_journal (started_at, purpose, host, requester, detail) VALUES (1, '', '', '', '')"
        )
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await store.run(half)
    assert await store.journal.ls() == []


async def test_close_finishes_what_was_begun_and_may_be_called_twice(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    begun = [asyncio.ensure_future(store.journal.begin("catalog", "", "")) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    assert [await task for task in begun] == list(range(1, 21))


async def test_a_lock_that_somebody_keeps_is_named(store: Store) -> None:
    await store._call(lambda: store._db.execute("PRAGMA busy_timeout = 50"))  # type: ignore[union-attr]
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SamovarError) as caught:
            await store.journal.begin("catalog", "", "")
    assert "locked" in caught.value.failure.message
    assert await store.journal.begin("catalog", "", "") == 1


async def test_check_finds_damage_that_opening_does_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    store = await Store.open(path)
    assert await store.check() is None

    def fill(db: Database) -> None:
        for number in range(2000):
            db.execute("INSERT INTO models VALUES (?, '', '', '', '', NULL, 1, NULL, 1)", [str(number)])

    await store.run(fill)
    await store.close()

    content = bytearray(path.read_bytes())
    content[-9000:-8000] = b"\xff" * 1000
    path.write_bytes(content)
    store = await Store.open(path)
    assert await store.check()
    await store.close()


@pytest.mark.parametrize("content", [b"this is no database, but long enough to be read as one" * 100, None])
async def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "samovar.db"
    if content is None:  # sound at the beginning, garbage from the second page on
        sound = (HERE / "data" / "v1.db").read_bytes()
        content = sound[:4096] + b"\xff" * (len(sound) - 4096)
    path.write_bytes(content)
    with pytest.raises(SamovarError) as caught:
        await Store.open(path)
    assert caught.value.code == FailureCode.INTERNAL
    assert str(path) in caught.value.failure.message
    assert path.read_bytes() == content


async def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SamovarError) as caught:
        await Store.open(tmp_path / "file" / "samovar.db")
    assert caught.value.code == FailureCode.DISK_FULL


@pytest.mark.processes
async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    with subprocess.Popen(
        [sys.executable, str(HERE / "killed_writer.py"), str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(30)]
        writer.kill()
        acknowledged += writer.stdout.read().split()
    assert acknowledged[29]
    store = await Store.open(path)
    saved = [row.key for row in await store.models.ls()]
    await store.close()
    # The last row may have been saved in the moment before it could be printed.
    assert saved[: len(acknowledged)] == acknowledged
    assert len(saved) - len(acknowledged) <= 1


@pytest.mark.processes
def test_a_full_disk_is_a_sentence_and_costs_nothing_saved(tmp_path: Path) -> None:
    run_on_small_disk(tmp_path, "full_disk", megabytes=2)
