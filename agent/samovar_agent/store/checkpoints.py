"""Brings what was written from the write-ahead log into the database beside further writing.

The thread that writes would otherwise wait for the disk once for the log and once more for the database, which is a
tenth of the time that a folder of documents takes.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

_log = logging.getLogger(__name__)


class Checkpoints:
    """One at a time, of the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-checkpoint")
        self._current: Future[None] | None = None
        self._closed = False

    def begin(self) -> None:
        """Begin one, unless one is under way. Where it fails, as on a full disk, the log stays and grows."""
        if not self._closed and (self._current is None or self._current.done()):
            self._current = self._thread.submit(self._checkpoint)

    def close(self) -> None:
        """Wait for what was begun."""
        self._closed = True
        self._thread.shutdown()

    def _checkpoint(self) -> None:
        try:
            log = self._path.with_name(f"{self._path.name}-wal").stat().st_size
            if shutil.disk_usage(self._path.parent).free < 2 * log:
                return  # what little room is left is for whoever writes
            with closing(sqlite3.connect(self._path)) as db:
                # Not more than nobody needs any more: it waits for no reader, and lets everybody write meanwhile.
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, OSError) as error:
            _log.debug("the write-ahead log stays for now: %s", error)
