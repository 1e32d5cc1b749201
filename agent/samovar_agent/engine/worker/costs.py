"""How long steps take on this machine with this model, measured; it decides how far guessing ahead pays."""

from __future__ import annotations

import statistics
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


def measure(context: Context, sequence: int, *, go_on: Callable[[], bool]) -> CostCurve | None:
    """Compute a few steps of some lengths in an empty sequence; None where `go_on` says, or an interrupt, to stop."""
    seconds: dict[int, list[float]] = {size: [] for size in _SIZES}
    try:
        position = 0
        if context.compute([Part(sequence, 0, (0,), 1)]) is None:  # the first step of all sets things up
            return None
        position += 1
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            for size in _SIZES:
                start = time.perf_counter()
                if not go_on() or context.compute([Part(sequence, position, (0,) * size, size)]) is None:
                    return None
                seconds[size].append(time.perf_counter() - start)
                position += size
            if time.perf_counter() - began > _LONG_SECONDS:
                break
    finally:
        context.forget(sequence)
    return CostCurve({size: statistics.median(values) for size, values in seconds.items()})
