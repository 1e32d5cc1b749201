"""The agent's end: each part is given its time, all of them together theirs, and what takes long is named.

stopping = Stopping(STOP_SECONDS)
stack.push_async_callback(stopping.part, "the local server", http.stop)
...
stopping.begin()
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable

log = logging.getLogger("samovar.agent")

STOP_SECONDS = 18.0
"""From the moment in which the agent is told to stop to its end, whatever happens. Less than `lock.py` waits."""
PART_SECONDS = 9.0
"""For a part of which nothing else is said; a worker that does not listen takes 8."""
_WORTH_TELLING_SECONDS = 1.0
_ENDED = 0
"""The exit code where time is over. What was acknowledged is on the disk, so that it is an end like any other."""


class Stopping:
    """One end.

    - within: seconds for all of it, after which the process ends at once; None where it is not the agent's own.
    - end: ends the process.
    """

    def __init__(self, within: float | None = None, end: Callable[[int], object] = os._exit) -> None:
        self._within, self._end = within, end
        self._now = "what was begun in the background"
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """From now on time is counted, by a thread: what hangs may be the event loop, or a thread at the very end."""
        if self._within is None:
            return
        self._loop = asyncio.get_running_loop()
        timer = threading.Timer(self._within, self._give_up)
        timer.name, timer.daemon = "end", True
        timer.start()

    async def part(self, name: str, close: Callable[[], Awaitable[object]], *, within: float = PART_SECONDS) -> None:
        """Close a part; where that takes longer than `within` seconds, go on without it. - name: of it, for the log."""
        self._now, began = name, time.monotonic()
        closing = asyncio.ensure_future(close())
        try:
            done, _ = await asyncio.wait([closing], timeout=within)
        except asyncio.CancelledError:
            closing.cancel()
            raise
        finally:
            self._now = "what was begun in the background"
        took = time.monotonic() - began
        if not done:
            log.warning("%s did not end within %.0f seconds; the agent stops without waiting for it", name, within)
            closing.cancel()
            return
        if took >= _WORTH_TELLING_SECONDS:
            log.info("%s took %.1f seconds to end", name, took)
        closing.result()

    def _give_up(self) -> None:
        with contextlib.suppress(Exception):  # whatever hangs must not be the log
            self._tell()
        self._end(_ENDED)

    def _tell(self) -> None:
        log.error(
            "the agent did not stop within %.0f seconds; it ends at once",
            self._within,
            extra={
                "waits_for": self._now,
                "tasks": self._tasks(),
                "threads": sorted(one.name for one in threading.enumerate()),
            },
        )

    def _tasks(self) -> list[str]:
        """What still runs, as far as can be told from another thread."""
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                return sorted(f"{one.get_name()}: {one.get_coro()}" for one in asyncio.all_tasks(self._loop))
        return []
