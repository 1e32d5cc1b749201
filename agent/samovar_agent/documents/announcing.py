"""Tells clients how collections stand, often enough to watch and seldom enough to cost nothing.

announcing = Announcing(describe, events)
announcing.changed(collection)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from samovar_agent.events import EventBus
from samovar_protocol import SamovarError
from samovar_protocol.documents import CollectionInfo
from samovar_protocol.events import CollectionChanged

log = logging.getLogger("samovar.documents")

_PAUSE_SECONDS = 0.25
_SHARE = 20
"""Counting what a large collection holds takes its time; one part in so many of all time is spent on it."""


class Announcing:
    """- describe: what is to be said of a collection; raises where it is gone."""

    def __init__(self, describe: Callable[[int], Awaitable[CollectionInfo]], events: EventBus) -> None:
        self._describe, self._events = describe, events
        self._changed: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def changed(self, collection: int) -> None:
        """Something of this collection is different."""
        self._changed.add(collection)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="announce collections")

    async def close(self) -> None:
        """Say no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._changed:
            began = time.monotonic()
            changed, self._changed = self._changed, set()
            for collection in sorted(changed):
                try:
                    self._events.publish(CollectionChanged(collection=await self._describe(collection)))
                except SamovarError as error:  # it is gone; that was said when it went
                    log.debug("nothing to announce", extra={"collection": collection, "problem": error.failure.message})
            await asyncio.sleep(max(_PAUSE_SECONDS, _SHARE * (time.monotonic() - began)))
