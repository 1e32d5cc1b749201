"""A model whose worker fails again and again is not started for every request that names it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from samovar_protocol import SamovarError

FREE_FAILURES = 2
"""So many in a row cost no waiting; a request may be the reason, and the next one a sound one."""
SETTLED_SECONDS = 60.0
"""A worker that served so long is no part of a row."""
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0


@dataclass(slots=True)
class _Row:
    failures: int
    error: SamovarError
    until: float


class Backoff:
    """Failures of models in a row, each a longer wait than the one before."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def failed(self, model: str, error: SamovarError, served_seconds: float) -> None:
        """A worker of `model` failed, so long after it had been loaded."""
        row = self._rows.get(model)
        failures = row.failures + 1 if row is not None and served_seconds < SETTLED_SECONDS else 1
        wait = 0.0
        if failures > FREE_FAILURES:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - FREE_FAILURES - 1))
        self._rows[model] = _Row(failures, error, time.monotonic() + wait)

    def ended_well(self, model: str) -> None:
        """A worker of `model` was unloaded as it should."""
        self._rows.pop(model, None)

    def check(self, model: str) -> None:
        """Raises the last failure, with the seconds left, where `model` must not be started yet."""
        row = self._rows.get(model)
        if row is None or (left := row.until - time.monotonic()) <= 0:
            return
        failure = row.error.failure
        raise SamovarError(
            failure.code,
            f"{failure.message} That was failure {row.failures} in a row; the next try is possible in {left:.0f} s.",
            hint=failure.hint,
            details={**failure.details, "failures": row.failures, "retry_seconds": round(left, 1)},
        )
