"""Waits until a file is left alone: an editor's save is many events and one change."""

from __future__ import annotations

QUIET_SECONDS = 0.5
"""A path that nothing was heard of for so long is done."""
LONGEST_SECONDS = 30.0
"""A path that never comes to rest, a log, is looked at this often."""
MAX_PATHS = 10_000
"""With more at once it is cheaper to look at everything."""


class Settling:
    """Paths that something was heard of. Times are seconds of one clock. - top: stands for all of them."""

    def __init__(self, top: str, *, quiet: float = QUIET_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._top = top
        self._quiet = quiet
        self._longest = longest
        self._heard: dict[str, tuple[float, float]] = {}

    def note(self, path: str, now: float) -> None:
        """Something happened to `path`."""
        if len(self._heard) >= MAX_PATHS and path not in self._heard:
            first = min(since for since, _ in self._heard.values())
            self._heard = {self._top: (first, now)}
            return
        if self._top in self._heard:
            path = self._top
        since, _ = self._heard.get(path, (now, now))
        self._heard[path] = (since, now)

    def due(self, now: float) -> frozenset[str]:
        """Paths that came to rest, or never do; they are forgotten here."""
        ready = frozenset(
            path
            for path, (first, last) in self._heard.items()
            if now - last >= self._quiet or now - first >= self._longest
        )
        for path in ready:
            del self._heard[path]
        return ready
