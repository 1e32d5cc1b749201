"""Notices that the network comes and goes, and tells the gate, which tells everybody.

watcher = Watcher(gate)
watcher.start()
"""

from __future__ import annotations

import asyncio
import logging

from samovar_agent.network.gate import Gate

_LOOK_SECONDS = 5.0
"""psutil has nothing to wait on that works on every system; a look costs less than a millisecond."""

_log = logging.getLogger(__name__)


class Watcher:
    """Looks every few seconds. - gate: publishes what changed. - seconds: from look to look."""

    def __init__(self, gate: Gate, *, seconds: float = _LOOK_SECONDS) -> None:
        self._gate = gate
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look comes after the first pause."""
        self._task = asyncio.create_task(self._look(), name="network watcher")

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                self._gate.refresh()
            except Exception:
                _log.exception("the machine's network cannot be looked at")
