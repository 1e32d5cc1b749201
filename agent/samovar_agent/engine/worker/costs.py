"""How long steps take on this machine with this model, measured; it decides how far guessing ahead pays."""

from __future__ import annotations

import time
from collections.abc import Callable

from samovar_agent.engine.worker.context import Context, Part
from samovar_agent.engine.worker.speculation import CostCurve

_SIZES = (1, 2, 4, 8, 17)
_ROUNDS = 3
TOKENS = 1 + _ROUNDS * sum(_SIZES)
"""Room that measuring takes."""
_LONG_SECONDS = 1.0
"""A first round that takes longer is precise enough."""
_GROWTH = 2.5
"""A step takes at most about so much longer than one of the size before."""


class Measurement:
    """Computes a few steps of some lengths, over as many idle moments as it takes.

        measurement = Measurement(context)
        measurement.go_on(sequence, may_compute)
        measurement.curve

    - context: can rewind. - curve: what is known; None until each length was measured once. - finished: no more to do.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seconds: dict[int, list[float]] = {size: [] for size in _SIZES}
        self.curve: CostCurve | None = None
        self.finished = False

    def go_on(self, sequence: int, may_compute: Callable[[float], bool]) -> None:
        """Measure from where it stopped the last time.

        - sequence: empty, and empty again afterwards. - may_compute: asked before each step, with the seconds that it
        may take. It stops there where that says no, and where a step was interrupted, which then does not count.
        """
        position = 0
        try:
            while not self.finished:
                size = min(_SIZES, key=lambda size: len(self._seconds[size]))
                # The first step of all sets things up, and the first in a sequence finds nothing to look back at.
                step = size if position else 1
                if not may_compute(self._expected(step)):
                    return
                start = time.perf_counter()
                if self._context.compute([Part(sequence, position, (0,) * step, step)]) is None:
                    return
                if position:
                    self._learn(size, time.perf_counter() - start)
                position += step
        finally:
            self._context.forget(sequence)

    def _expected(self, size: int) -> float:
        """Seconds that a step of this size will take at most, as far as is known."""
        if self._seconds[size]:
            return max(self._seconds[size])
        smaller = [seconds for other in _SIZES if other < size for seconds in self._seconds[other][-1:]]
        return smaller[-1] * _GROWTH if smaller else 0.0

    def _learn(self, size: int, seconds: float) -> None:
        self._seconds[size].append(seconds)
        rounds = min(map(len, self._seconds.values()))
        if rounds and size == _SIZES[-1]:
            # The shortest, since all that disturbs a step makes it longer.
            costs = {size: min(values) for size, values in self._seconds.items()}
            self.curve = CostCurve(costs)
            self.finished = rounds == _ROUNDS or sum(costs.values()) > _LONG_SECONDS
