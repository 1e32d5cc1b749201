"""Opens the SQLite file the way the store needs it. Runs on the store's thread."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

_BUSY_SECONDS = 5
"""How long to wait for somebody else's lock, e.g. a person's `sqlite3` shell or a backup."""

_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_log = logging.getLogger(__name__)


def connect(path: Path) -> Database:
    """A connection to the file at `path`, which is made where it is missing (0600: it holds hashes of tokens)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    return _sqlite_utils().Database(connection, execute_plugins=False)  # type: ignore[no-any-return]


def connect_reader(path: Path) -> Database:
    """A connection to the file at `path`, which is there, that can write nothing. Any thread may close it."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    db: Database = _sqlite_utils().Database(connection, execute_plugins=False)
    db.execute("PRAGMA query_only = ON")
    return db


def configure(db: Database) -> str:
    """Set what holds for this connection; returns the journal mode that the file has now.

    Without WAL (some network file systems refuse it) everything still works, only slower: there is one writer, and a
    rollback journal is as durable.
    """
    mode = str(db.execute("PRAGMA journal_mode = WAL").fetchone()[0]).lower()
    if mode != "wal":
        _log.warning("The database's file system has no write-ahead log; SQLite uses '%s' instead.", mode)
    # NORMAL would survive a killed process but not a power cut: the newest commits could vanish, and with them the
    # revocation of a token that somebody was told of. Writes are rare, and a sync costs milliseconds.
    db.execute("PRAGMA synchronous = FULL")
    # macOS keeps synced data in the drive's own cache unless asked not to; elsewhere this does nothing.
    db.execute("PRAGMA fullfsync = ON")
    db.execute("PRAGMA foreign_keys = ON")
    # What a batch of documents changes fits. From the log it goes into the database beside further writing, see
    # `checkpoints.py`; only where that comes to nothing, this connection does it after so many pages.
    db.execute("PRAGMA cache_size = -32000")
    db.execute("PRAGMA wal_autocheckpoint = 8000")
    return mode


def failure(error: Exception, path: Path) -> SamovarError | None:
    """What to tell a person about an error of SQLite or the file system; None for a defect of ours."""
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF if isinstance(error, sqlite3.Error) else None
    if isinstance(error, OSError) or code in _NO_ROOM:
        return SamovarError(
            FailureCode.DISK_FULL,
            f"{path} could not be written: {error}.",
            hint="Free some room, or correct the folder's permissions; what was saved before is intact.",
        )
    if getattr(error, "sqlite_errorcode", -1) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return SamovarError(
            FailureCode.NOT_FOUND,
            "What this belongs to was removed meanwhile.",
            hint="Look whether it is still there, and try again.",
        )
    if code in _DAMAGED:
        return SamovarError(
            FailureCode.INTERNAL,
            f"{path} is not a sound database: {error}.",
            hint="Move it aside and start again; model files are not touched, imports and API tokens must be redone.",
        )
    if code == sqlite3.SQLITE_BUSY:
        return SamovarError(
            FailureCode.INTERNAL,
            f"Another program has kept {path} locked for {_BUSY_SECONDS} seconds.",
            hint="Close whatever has the file open, and try again.",
        )
    return None


def _sqlite_utils() -> ModuleType:
    """The library, imported here because it takes a quarter of a second, which the event loop must not spend.

    It imports numpy and pandas where they are installed, only to know their column types. The agent has neither in
    its memory otherwise; hiding them while it looks saves 11 of 15 MB, and most of the time.
    """
    if (known := sys.modules.get("sqlite_utils")) is not None:
        return known  # a later connection must not hide numpy from a thread that imports it just then
    hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules.update(dict.fromkeys(hidden))
    try:
        import sqlite_utils
    finally:
        for name in hidden:
            del modules[name]
    return sqlite_utils
