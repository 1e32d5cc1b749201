"""Connections that only read, each on a thread of its own, so that a search never waits for a write.

With a write-ahead log a reader sees the last commit, whatever the writer is doing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from samovar_agent.store import connection

if TYPE_CHECKING:
    from sqlite_utils import Database

T = TypeVar("T")

_THREADS = 4
"""SQLite computes without Python's lock; more threads than cores would only wait for each other."""


class Readers:
    """Threads that read the file at `path`; a connection is opened when its thread is first needed.

    - active: how many are reading now.
    """

    def __init__(self, path: Path) -> None:
        self.threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="store-reader")
        self.active = 0
        self._counting = threading.Lock()
        self._path = path
        self._own = threading.local()
        self._opened: list[Database] = []

    def transaction(self, function: Callable[[Database], T]) -> T:
        """Call `function(db)`, which sees one state of the database throughout. On one of `threads`."""
        db: Database | None = getattr(self._own, "db", None)
        if db is None:
            db = self._own.db = connection.connect_reader(self._path)
            self._opened.append(db)
        with self._counting:
            self.active += 1
        try:
            with db.atomic():
                return function(db)
        finally:
            with self._counting:
                self.active -= 1

    def close(self) -> None:
        """Wait for what was begun, and close the connections. Not on one of `threads`."""
        self.threads.shutdown()
        for db in self._opened:
            db.close()
