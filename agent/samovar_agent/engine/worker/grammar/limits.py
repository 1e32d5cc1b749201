"""What a schema or a grammar may cost, and the one way to refuse it.

Work is counted in steps and not in seconds, so the same schema is accepted or refused on every machine.
"""

from __future__ import annotations

from samovar_protocol import FailureCode, SamovarError

MAX_SCHEMA_BYTES = 256 * 1024
MAX_SCHEMA_DEPTH = 100
"""Objects and lists inside one another in the schema itself, a property being two; `$ref` may recurse without end."""
MAX_STEPS = 600_000
"""About a second of work in the worst case; a schema of a few hundred properties takes some thousand."""
MAX_RULES = 20_000
MAX_GRAMMAR_BYTES = 1024 * 1024
MAX_REPEAT = 1_000_000
"""Longer texts and lists than this fit into no context, so a higher maximum is lowered to it."""

_SHOWN = 200
"""Characters of a place in a message."""


def refusal(path: str, what: str, *, hint: str = "Change the schema there.") -> SamovarError:
    """The error for a schema that cannot be had, with the JSON pointer of the place."""
    place = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}..."
    message = f"The schema at {place} {what}.".encode("utf-8", "replace").decode()  # names may hold half characters
    return SamovarError(FailureCode.BAD_REQUEST, message, hint=hint)


class Steps:
    """Counts work; raises `bad_request` when it is too much."""

    def __init__(self, limit: int = MAX_STEPS) -> None:
        self._left = limit

    def take(self, path: str, count: int = 1) -> None:
        """Note `count` more steps, spent on the schema at `path`."""
        self._left -= count
        if self._left < 0:
            raise refusal(path, "takes too long to turn into a grammar", hint="Make the schema simpler.")
