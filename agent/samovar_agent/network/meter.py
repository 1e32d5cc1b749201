"""How fast something comes in, and when it will be here."""

from __future__ import annotations

import time
from collections import deque

from samovar_protocol.values import Progress

_WINDOW_SECONDS = 5.0
"""Speed is that of the last seconds: an average since the start would hide a connection that stalls."""


class Meter:
    """Turns byte counts into `Progress`.

    - stage: for people. - total: bytes to come, None while unknown.
    """

    def __init__(self, stage: str, total: int | None) -> None:
        self._stage = stage
        self._total = total
        self._samples: deque[tuple[float, int]] = deque()

    def progress(self, done: int, now: float | None = None) -> Progress:
        """The progress at `done` bytes. - now: seconds of a monotonic clock; None reads it."""
        now = time.monotonic() if now is None else now
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        speed = (done - before) / (now - since) if now > since else None
        left = None if self._total is None else max(self._total - done, 0)
        return Progress(
            stage=self._stage,
            done=done,
            total=self._total,
            per_second=speed,
            eta_seconds=left / speed if speed and left is not None else None,
        )
