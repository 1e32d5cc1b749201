"""How far a download is, over all its parts."""

from __future__ import annotations

from samovar_agent.network.meter import Meter
from samovar_agent.network.transfer import Stage
from samovar_protocol.values import Progress


class DownloadProgress:
    """Notes what it is told on any thread, and makes `Progress` of it when looked at, so that a stall shows as well.

    - total: bytes of all parts; None while unknown. - done: bytes that are here. - moved: something has come.
    """

    def __init__(self, total: int | None, done: int = 0) -> None:
        self.total = total
        self.done = done
        self.moved = False
        self._before = 0
        self._here: int | None = None
        self._now: tuple[str, int] = ("downloading", done)
        self._of_package: Progress | None = None
        self._meter = Meter("", None)
        self._metered: tuple[str, int | None] = ("", None)

    def of_part(self, stage: Stage, done: int) -> None:
        """Bytes of the part that is on its way, at this stage."""
        self._of_package = None
        through = self._before + done
        if stage != "verifying":
            self.moved = self.moved or (self._here is not None and done > self._here)
            self._here = done
            self.done = through = max(self.done, through)
        self._now = (stage, through)

    def of_package(self, progress: Progress) -> None:
        """A package, whose bytes are others than the part's."""
        self.moved = self.moved or progress.done > 0
        self._of_package = progress

    def part_is_here(self, size: int) -> None:
        """The next part begins."""
        self._before += size
        self._here = None
        self.done = max(self.done, self._before)
        self._now = ("downloading", self.done)

    def begin(self, total: int | None, done: int) -> None:
        """A source is tried, for the first time or after another one. - done: bytes that are here of all parts."""
        self.total, self.done = total, done
        self._before, self._here, self._of_package = 0, None, None
        self._now = ("downloading", done)
        self._metered = ("", None)

    def look(self) -> Progress:
        """As it is now."""
        if self._of_package:
            return self._of_package
        stage, done = self._now
        if self._metered != (stage, self.total):
            self._metered = (stage, self.total)
            self._meter = Meter(stage, self.total)
        return self._meter.progress(done)
