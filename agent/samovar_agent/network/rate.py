"""The bandwidth limit: one bucket that all connections drink from, but for those that pip opens.

rate = Rate(lambda: settings.current.network.megabytes_per_second * 1e6)
await rate.take(len(chunk))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_BURST_SECONDS = 0.1
"""What may come at once after a pause; more would let short transfers ignore the limit."""

_LONGEST_WAIT = 0.2
"""Seconds until the limit is looked at again, since a person may have changed it."""


class Rate:
    """Slows down whoever takes more than the limit allows, all takers together.

    - limit: bytes a second, read at each step; 0 or less for none. - clock, sleep: for tests.
    """

    def __init__(
        self,
        limit: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._credit = 0.0
        self._filled_at = clock()

    def chunk(self, most: int) -> int:
        """How many bytes to read at once so that waiting for them stays smooth; at most `most`."""
        limit = self._limit()
        return most if limit <= 0 else max(1, min(most, int(limit * _BURST_SECONDS)))

    async def take(self, count: int) -> None:
        """Return when `count` bytes may have passed. They are owed at once, so that all takers wait for each other."""
        self._fill()
        self._credit -= count
        while self._credit <= -1 and (limit := self._limit()) > 0:
            await self._sleep(min(-self._credit / limit, _LONGEST_WAIT))
            self._fill()

    def _fill(self) -> None:
        now, limit = self._clock(), self._limit()
        elapsed, self._filled_at = now - self._filled_at, now
        if limit <= 0:
            self._credit = 0.0
        else:
            self._credit = min(self._credit + elapsed * limit, limit * _BURST_SECONDS)
