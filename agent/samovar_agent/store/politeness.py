"""Whoever writes much lets those that read meanwhile go first, as far as there are too few cores for all of them.

Somebody waits for a search; a folder of documents that is taken in may take a little longer. A quarter of the time is
left to the writer even where somebody always reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_STEPS = 200
"""Of SQLite's machine, between two looks: a chunk's words are one step, of some 30 microseconds."""
_LEAST_SECONDS = 0.002
"""Whatever takes less than this is never held up."""
_MOST_SECONDS = 0.02
_PAUSE = 3.0
"""Times as long as the work before it."""


class Politeness:
    """Of one connection's transactions. - readers: how many there are now."""

    def __init__(self, readers: Callable[[], int]) -> None:
        self._readers = readers
        self._resumed = 0.0

    def watch(self, db: Database) -> None:
        """From now on, of all that this connection does."""
        db.conn.set_progress_handler(self._step, _STEPS)

    def begin(self) -> None:
        """A transaction begins."""
        self._resumed = time.monotonic()

    def _step(self) -> int:
        if self._readers():
            worked = time.monotonic() - self._resumed
            if worked > _LEAST_SECONDS:
                time.sleep(min(_PAUSE * worked, _MOST_SECONDS))
                self._resumed = time.monotonic()
        return 0  # anything else would end the statement
