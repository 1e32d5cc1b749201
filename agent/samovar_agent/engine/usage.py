"""Who waits for a model, who is being served, and what that took; counts and order only."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Literal

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Priority, Stats


@dataclass(eq=False, slots=True)
class Place:
    """One request. - number: the order of arrival. - waiting: not begun yet. - told: it is known when it begins.

    - entered: when it came, on the monotonic clock. - outcome: how its work ended, where it was not left.
    """

    priority: Priority
    number: int
    entered: float
    waiting: bool = True
    told: bool = True
    outcome: Literal["ok", "failed"] | None = None


class Usage:
    """The requests of one instance.

        place = usage.enter("interactive", limit=256)
        usage.start(place)
        usage.leave(place)

    - requests, totals, last: since it was loaded.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.totals = Stats()
        self.last: Stats | None = None
        self._places: set[Place] = set()
        self._numbers = itertools.count()

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return sum(place.waiting for place in self._places)

    @property
    def active(self) -> int:
        """Requests that run."""
        return len(self._places) - self.queued

    def enter(self, priority: Priority, *, limit: int) -> Place:
        """A new request's place, at the end. - limit: so many may wait; raises `busy` beyond."""
        queued = sum(place.waiting or not place.told for place in self._places)
        if queued >= limit:
            raise SamovarError(
                FailureCode.BUSY,
                f"{queued:,} requests wait for this model already; {limit:,} may.",
                hint="Try again in a moment, or raise engine.queue_limit.",
                details={"queued": queued, "limit": limit},
            )
        self.requests += 1
        place = Place(priority, next(self._numbers), time.monotonic())
        self._places.add(place)
        return place

    def start(self, place: Place, *, told: bool = True) -> None:
        """This request waits no longer. - told: False where nobody says so; for the limit it still may be waiting."""
        place.waiting, place.told = False, told

    def leave(self, place: Place) -> None:
        """This request is over."""
        self._places.discard(place)

    def before(self, place: Place) -> int:
        """About how many others come first; the worker's own order also is fair between clients."""
        return sum(_order(other) < _order(place) for other in self._places if other.waiting)

    def count(self, stats: Stats) -> None:
        """What a reply took."""
        self.last = stats
        self.totals = Stats(
            prompt_tokens=self.totals.prompt_tokens + stats.prompt_tokens,
            cached_tokens=self.totals.cached_tokens + stats.cached_tokens,
            completion_tokens=self.totals.completion_tokens + stats.completion_tokens,
            drafted_tokens=self.totals.drafted_tokens + stats.drafted_tokens,
            accepted_tokens=self.totals.accepted_tokens + stats.accepted_tokens,
        )


def _order(place: Place) -> tuple[bool, int]:
    return place.priority == "background", place.number
