import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import pytest

from samovar_agent.engine import waiting
from samovar_agent.engine.waiting import with_position, within
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress


class Source:
    """Items after some seconds each. - closed: whether it was told to end, or came to its end."""

    def __init__(self, *seconds: float) -> None:
        self.seconds, self.closed = seconds, False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for number, seconds in enumerate(self.seconds):
                await asyncio.sleep(seconds)
                yield number
        finally:
            await asyncio.sleep(0)  # as closing the worker's stream does
            self.closed = True


async def test_without_a_limit_everything_comes() -> None:
    source = Source(0, 0.05, 0)
    assert [item async for item in within(None, source.items())] == [0, 1, 2]
    assert source.closed


async def test_what_comes_too_late_is_a_failure_and_its_source_is_closed() -> None:
    source, seen = Source(0, 30), list[int]()
    with pytest.raises(SamovarError) as caught:
        async for item in within(0.05, source.items()):
            seen.append(item)
    assert caught.value.code == FailureCode.DEADLINE_EXCEEDED
    assert (seen, source.closed) == ([0], True)


@pytest.mark.parametrize("wrapped", [partial(within, 9), partial(with_position, before=lambda: 1)])
async def test_leaving_early_closes_the_source(wrapped: Callable[[Any], AsyncGenerator[Any, None]]) -> None:
    source = Source(0, 30)
    items = wrapped(source.items())
    assert await anext(items) == 0
    await items.aclose()
    assert source.closed


async def test_the_position_is_told_when_it_changes_until_the_first_item_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "POSITION_SECONDS", 0.01)
    positions = iter([3, 3, 3, 1])
    source = Source(0.3, 0.05)
    items = [item async for item in with_position(source.items(), lambda: next(positions, 1))]
    queued = [Progress(stage="queued", done=before, unit="requests") for before in (3, 1)]
    assert items == [*queued, 0, 1]


async def test_cancelling_who_waits_closes_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POSITION_SECONDS", 0.01)
    source = Source(30)
    items = with_position(source.items(), lambda: 2)
    assert isinstance(await anext(items), Progress)
    task = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    assert source.closed


async def test_a_failure_of_the_source_is_passed_on() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        for number in range(2):
            if number:
                raise SamovarError(FailureCode.WORKER_CRASHED, "Gone.")
            yield number

    items = within(9, with_position(broken(), lambda: 0))
    assert await anext(items) == 0
    with pytest.raises(SamovarError, match="Gone"):
        await anext(items)
