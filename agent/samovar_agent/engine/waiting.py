"""What is around waiting for a reply: a limit of time, and the place in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

T = TypeVar("T")
POSITION_SECONDS = 1.0
"""Who waits is told the place in the queue after so long, and again no more often than this."""


async def within(seconds: float | None, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items, as long as they come in time; raises `deadline_exceeded`. - seconds: from now; None for ever."""
    async with aclosing(items):
        if seconds is None:  # a time-out that never comes still costs each token something
            async for item in items:
                yield item
            return
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                # Around each item and not around all: the time-out cancels this task, also while others run in it.
                async with asyncio.timeout_at(deadline):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise SamovarError(
                    FailureCode.DEADLINE_EXCEEDED,
                    f"The request's time limit of {seconds:g} s ran out.",
                    hint="Allow more time, or ask for a shorter reply.",
                ) from None
            yield item


async def with_position(
    items: AsyncGenerator[T, None], before: Callable[[], int]
) -> AsyncGenerator[T | Progress, None]:
    """The same items and, until the first one comes, about how many requests come before this one, as it changes."""
    async with aclosing(items):
        first = asyncio.ensure_future(anext(items))
        try:
            told = None
            while not (await asyncio.wait([first], timeout=POSITION_SECONDS))[0]:
                if (position := before()) != told:
                    told = position
                    yield Progress(stage="queued", done=position, unit="requests")
            yield first.result()
        finally:
            if not first.done():
                first.cancel()
                await asyncio.wait([first])  # an item that is still awaited cannot be closed
        async for item in items:
            yield item
