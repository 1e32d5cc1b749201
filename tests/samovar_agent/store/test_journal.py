"""The network journal."""

from __future__ import annotations

import time
from pathlib import Path

from samovar_agent.store.store import Store


async def test_a_row_is_open_until_it_is_finished(store: Store) -> None:
    before = time.time()
    row = await store.journal.begin("model-download", "", "samovar get", "p==1")
    (open_row,) = await store.journal.ls()
    assert (open_row.id, open_row.purpose, open_row.requester) == (row, "model-download", "samovar get")
    assert (open_row.outcome, open_row.ended_at, open_row.bytes_received) == (None, None, None)
    assert before <= open_row.started_at <= time.time()

    await store.journal.finish(row, "ok", host="mirror.example", bytes_received=7, bytes_sent=3, detail="p==1")
    (done,) = await store.journal.ls()
    assert (done.outcome, done.host, done.bytes_received, done.bytes_sent) == ("ok", "mirror.example", 7, 3)
    assert done.ended_at is not None
    assert done.ended_at >= done.started_at


async def test_newest_first_and_limited(store: Store) -> None:
    rows = [await store.journal.begin("catalog", f"h{number}", "scheduler") for number in range(5)]
    assert [row.id for row in await store.journal.ls(limit=3)] == rows[:1:-1]


async def test_what_a_crash_left_open_is_interrupted_at_the_next_open(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    store = await Store.open(path)
    done = await store.journal.begin("catalog", "h", "scheduler")
    await store.journal.finish(done, "ok", host="h")
    await store.journal.begin("catalog", "h", "scheduler")
    await store.close()  # the second row is as a crash would leave it

    store = await Store.open(path)
    crashed, finished = await store.journal.ls()
    await store.close()
    assert finished.outcome == "ok"
    assert (crashed.outcome, crashed.ended_at, crashed.bytes_received) == ("interrupted", None, None)
