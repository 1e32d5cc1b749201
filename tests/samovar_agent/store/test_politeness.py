"""A long write gives way to those that read, and comes to its end all the same."""

from __future__ import annotations

import asyncio
import threading

import pytest

from samovar_agent.store.politeness import Politeness
from samovar_agent.store.store import Store

_LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT count(*) FROM n"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times: list[float] = []
    monkeypatch.setattr("samovar_agent.store.politeness.time.sleep", times.append)
    return times


async def test_a_writer_pauses_only_while_somebody_reads(store: Store, slept: list[float]) -> None:
    assert await store.run(lambda db: db.execute(_LONG).fetchone()[0]) == 300_000
    assert not slept
    reading, read = threading.Event(), threading.Event()

    def wait(_: object) -> bool:
        reading.set()
        return read.wait(10)

    reader = asyncio.ensure_future(store.read(wait))
    assert await asyncio.to_thread(reading.wait, 10)
    assert await store.run(lambda db: db.execute(_LONG).fetchone()[0]) == 300_000
    read.set()
    assert await reader
    assert slept
    assert max(slept) <= 0.02
    slept.clear()
    await store.run(lambda db: db.execute(_LONG))
    assert not slept, "nobody reads any more"


def test_a_pause_is_as_long_as_the_work_before_it_demands(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("samovar_agent.store.politeness.time.monotonic", lambda: now)
    polite = Politeness(lambda: 1)
    polite.begin()
    for passed in (0.001, 0.0005, 0.001, 0.5):
        now += passed
        polite._step()
    assert slept == [pytest.approx(0.0075), 0.02]


async def test_a_reader_that_fails_is_not_waited_for(store: Store, slept: list[float]) -> None:
    def fail(_: object) -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="defect"):
        await store.read(fail)
    await store.run(lambda db: db.execute(_LONG))
    assert not slept
