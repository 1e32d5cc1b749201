"""What models have done since the agent began, for `/metrics`: plain numbers that only grow.

    tally = tallies.of("maker/small")
    tally.replied(stats, seconds)

An instance's own numbers, in `usage.py`, begin anew when its model is loaded again. These outlive it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

from samovar_protocol.values import Stats

Outcome = Literal["ok", "failed", "cancelled", "refused"]
"""How a request ended: with its reply, with a failure of the engine, by its client, or with a full queue."""

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds; from a cached prompt to a long reply of a large model."""

MOST_MODELS = 200
"""So many models have numbers of their own; those that come after share theirs."""

OTHERS = "(others)"


class Histogram:
    """How many durations were how long. - counts: up to each of `BOUNDS`, and above; not added up. - sum: of all."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


class Tally:
    """Of one model.

    - queue_wait: of replies, in the worker's queue. - first_token: from the request to it, loading included.
    - latency: from the request to its end. - cache_hits: replies of whose prompts something was in memory.
    - evictions: computed prefixes that made room for others. - snapshots_*: prefixes read from disk and written to it.
    - load_failures: it never became ready; crashes: it ended although it was.
    """

    def __init__(self) -> None:
        self.outcomes: dict[Outcome, int] = {"ok": 0, "failed": 0, "cancelled": 0, "refused": 0}
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0
        self.drafted_tokens = self.accepted_tokens = 0
        self.cache_hits = self.cache_misses = 0
        self.evictions = self.snapshots_restored = self.snapshots_saved = 0
        self.loads = self.unloads = self.load_failures = self.crashes = 0
        self.queue_wait, self.first_token, self.latency = Histogram(), Histogram(), Histogram()

    def replied(self, stats: Stats, seconds: float) -> None:
        """A reply is complete. - seconds: since its request came."""
        self.computed(stats.prompt_tokens, seconds)
        self.cached_tokens += stats.cached_tokens
        self.completion_tokens += stats.completion_tokens
        self.drafted_tokens += stats.drafted_tokens
        self.accepted_tokens += stats.accepted_tokens
        if stats.cached_tokens:
            self.cache_hits += 1
        else:
            self.cache_misses += 1
        self.queue_wait.observe(stats.queue_seconds)
        self.first_token.observe(max(0.0, seconds - stats.decode_seconds))

    def computed(self, prompt_tokens: int, seconds: float) -> None:
        """Vectors or scores are complete. - seconds: since their request came."""
        self.prompt_tokens += prompt_tokens
        self.latency.observe(seconds)


class Tallies:
    """Of all models; bounded, whatever models are called."""

    def __init__(self) -> None:
        self._models: dict[str, Tally] = {}

    def of(self, model: str) -> Tally:
        """That of a model, by its key; made where there is none."""
        tally = self._models.get(model)
        if tally is None:
            name = model if len(self._models) < MOST_MODELS else OTHERS
            tally = self._models.setdefault(name, Tally())
        return tally

    def all(self) -> Mapping[str, Tally]:
        """Each with its model's key."""
        return self._models
