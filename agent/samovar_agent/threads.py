"""Work that blocks, on a thread that is told to stop, and waited for, where nobody wants it any more.

await stoppable(lambda stop: copy(source, target, stop))
await reporting(lambda report, stop: copy(source, target, report, stop), on_progress)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from samovar_protocol.values import Progress

Report = Callable[[Progress], None]
T = TypeVar("T")


class Stopped(Exception):
    """Raised by work that was told to stop, where it has nothing better to say."""


async def stoppable(work: Callable[[threading.Event], T]) -> T:
    """What `work` returns or raises. - work: gets what is set where we are cancelled; it looks at it now and then."""
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        raise


async def reporting(work: Callable[[Report, threading.Event], T], on_progress: Report) -> T:
    """The same for work that tells how far it is. - on_progress: what it raises stops the work, and is raised here."""
    loop = asyncio.get_running_loop()
    gone: list[Exception] = []

    def run(stop: threading.Event) -> T:
        def tell(progress: Progress) -> None:
            try:
                if not stop.is_set():
                    on_progress(progress)
            except Exception as error:  # the client has left
                gone.append(error)
                stop.set()

        def report(progress: Progress) -> None:
            loop.call_soon_threadsafe(tell, progress)

        return work(report, stop)

    try:
        return await stoppable(run)
    except Exception:
        if gone:
            raise gone[0] from None
        raise
