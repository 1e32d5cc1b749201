"""What a soak saw: replies, times and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import linear_regression, median

from tests.soak.clients import Reply
from tests.soak.orders import Order

WARM_UP = 1 / 3
"""The part of the time in which memory may still grow: buffers and caches fill."""


@dataclass(slots=True)
class Report:
    """Filled while it runs."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    tokens: int = 0
    worker: list[tuple[float, int]] = field(default_factory=list)
    agent: list[tuple[float, int]] = field(default_factory=list)

    def add(self, order: Order, reply: Reply, seconds: float) -> None:
        """One more order that was carried out."""
        outcome = "left" if reply.left else reply.failure or "complete"
        self.outcomes[order.kind, outcome] += 1
        self.seconds.append(seconds)
        self.tokens += reply.tokens

    def summary(self) -> str:
        """For people."""
        kinds = sorted({kind for kind, _ in self.outcomes})
        lines = [
            f"{sum(self.outcomes.values())} requests, {self.tokens} tokens in complete replies; "
            f"a request took {median(self.seconds):.2f} s (median), {max(self.seconds):.1f} s at most",
            *(f"  {kind}: " + ", ".join(self._outcomes_of(kind)) for kind in kinds),
            *(
                f"{name}: {samples[0][1] / 1e6:.0f} MB at the start, {level(samples) / 1e6:.0f} MB after the warm-up, "
                f"{samples[-1][1] / 1e6:.0f} MB at the end, {growth(samples) / 1e6:+.1f} MB between"
                for name, samples in (("worker", self.worker), ("agent", self.agent))
            ),
        ]
        return "\n".join(lines)

    def _outcomes_of(self, kind: str) -> list[str]:
        return [f"{count} {outcome}" for (of, outcome), count in sorted(self.outcomes.items()) if of == kind]


def growth(samples: list[tuple[float, int]]) -> float:
    """Bytes that the line through the samples after the warm-up rises, from its beginning to its end."""
    warm = _warm(samples)
    times = [time for time, _ in warm]
    return linear_regression(times, [size for _, size in warm]).slope * (times[-1] - times[0])


def level(samples: list[tuple[float, int]]) -> float:
    """Bytes after the warm-up."""
    return float(_warm(samples)[0][1])


def _warm(samples: list[tuple[float, int]]) -> list[tuple[float, int]]:
    begin = samples[0][0] + (samples[-1][0] - samples[0][0]) * WARM_UP
    return [sample for sample in samples if sample[0] >= begin]
