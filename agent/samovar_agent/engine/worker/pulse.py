"""How the agent knows that a silent worker is at work."""

from __future__ import annotations

import time
from collections.abc import Callable

from samovar_agent.engine.wire import Alive, Answer

_SECONDS = 1.0


class Pulse:
    """Says `Alive`, about once a second. Only the loop that computes may use it: nothing else can know how that is."""

    def __init__(self, send: Callable[[Answer], None]) -> None:
        self._send = send
        self._told = 0.0

    def beat(self) -> None:
        """A step was taken."""
        now = time.monotonic()
        if now - self._told >= _SECONDS:
            self._told = now
            self._send(Alive())
