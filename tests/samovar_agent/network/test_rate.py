"""The bandwidth limit, with a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio

import pytest

from samovar_agent.network.rate import Rate


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


class Limit:
    """A limit that tests change."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self) -> float:
        return self.value


def rate(limit: float) -> tuple[Rate, Clock, Limit]:
    clock, value = Clock(), Limit(limit)
    return Rate(value, clock=clock, sleep=clock.sleep), clock, value


@pytest.mark.parametrize("takers", [1, 4])
async def test_all_takers_together_get_what_the_limit_allows(takers: int) -> None:
    bucket, clock, _ = rate(1_000_000)

    async def take() -> None:
        for _ in range(20):
            await bucket.take(100_000)

    await asyncio.gather(*(take() for _ in range(takers)))
    assert clock.now - 100 == pytest.approx(2.0 * takers, rel=0.1)


async def test_without_a_limit_nobody_waits() -> None:
    bucket, clock, _ = rate(0)
    for _ in range(1000):
        await bucket.take(10_000_000)
    assert clock.now == 100


async def test_a_pause_is_not_saved_up() -> None:
    bucket, clock, _ = rate(1000)
    clock.now += 3600
    await bucket.take(1000)
    assert clock.now - 3700 == pytest.approx(0.9, abs=0.05)


async def test_a_change_holds_for_who_waits() -> None:
    bucket, clock, limit = rate(1)
    task = asyncio.create_task(bucket.take(1_000_000))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    limit.value = 0
    await asyncio.wait_for(task, 5)
    assert clock.now - 100 < 10
    limit.value = 1000
    await bucket.take(100)
    assert clock.now - 100 < 11, "what was owed under the old limit is forgotten"


def test_pieces_become_small_where_the_limit_is() -> None:
    assert rate(0)[0].chunk(131_072) == 131_072
    assert rate(1e9)[0].chunk(131_072) == 131_072
    assert rate(10_000)[0].chunk(131_072) == 1000
    assert rate(1)[0].chunk(131_072) == 1
