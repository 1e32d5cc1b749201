"""The event bus: state changes on their way to subscribers, each with the request that caused it.

events.publish(LibraryChanged(models=3))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

from samovar_protocol.events import AnyEvent

cause: ContextVar[str | None] = ContextVar("cause", default=None)
"""Id of the request that is being served; set by the control and HTTP servers, inherited by the tasks they start."""

Listener = Callable[[int, float, str | None, AnyEvent], None]


class EventBus:
    """Numbers events and hands each to every listener at once. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self.sequence = 0
        self._listeners: list[Listener] = []

    def publish(self, event: AnyEvent) -> None:
        """Tell every listener; a listener must not block and must not raise."""
        self.sequence += 1
        for listener in tuple(self._listeners):
            listener(self.sequence, time.time(), cause.get(), event)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(sequence, time, cause, event)` from now on; the returned function ends it."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end
