"""Something slow as events: progress while it goes on, then what came of it, then `[DONE]`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec

from samovar_agent.http.sse import EventStream
from samovar_protocol import SamovarError
from samovar_protocol.values import Progress

Report = Callable[[Progress], None]
R = TypeVar("R", bound=msgspec.Struct)

_DONE = b"data: [DONE]\n\n"


async def follow(events: EventStream, work: Callable[[Report], Awaitable[msgspec.Struct]]) -> None:
    """Send what `work` reports, and then what it returns. It is cancelled when the client goes away."""
    coming: asyncio.Queue[Progress | None] = asyncio.Queue()
    working = asyncio.ensure_future(work(coming.put_nowait))
    working.add_done_callback(lambda _: coming.put_nowait(None))
    try:
        while (progress := await coming.get()) is not None:
            await events.send(_event(progress))
        await events.send(_event(await working) + _DONE)
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, SamovarError):
            await working


async def relay(events: EventStream, items: AsyncGenerator[msgspec.Struct, None]) -> None:
    """Send everything that is yielded; the last of it is the reply."""
    async with aclosing(items):
        async for item in items:
            await events.send(_event(item))
    await events.send(_DONE)


def nobody(progress: Progress) -> None:
    """Told of progress where the client did not ask to be."""


def _event(value: msgspec.Struct) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)
