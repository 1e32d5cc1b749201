"""Brings a database file to this program's version.

The change and the record that it was made commit together, so a crash leaves either the old version or the new one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from samovar_agent.store.migrations import (
    m0001_initial,
    m0002_models_and_network,
    m0003_documents,
    m0004_token_expiry,
    m0005_ngrams,
)
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database


class Migration(NamedTuple):
    """One step. - number: the version it leads to. - name: for people. - migrate: makes the change."""

    number: int
    name: str
    migrate: Callable[[Database], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "initial", m0001_initial.migrate),
    Migration(2, "models_and_network", m0002_models_and_network.migrate),
    Migration(3, "documents", m0003_documents.migrate),
    Migration(4, "token_expiry", m0004_token_expiry.migrate),
    Migration(5, "ngrams", m0005_ngrams.migrate),
)
"""Every step ever released, in order; append only."""


def check_version(db: Database, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """The version of the database at `path`, 0 for an empty one; writes nothing.

    Raises `store_too_new` where a newer program has written it.
    """
    if not db["migrations"].exists():
        return 0
    version = int(db.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()[0])
    if version > len(migrations):
        raise SamovarError(
            FailureCode.STORE_TOO_NEW,
            f"{path} was written by a newer Samovar (database version {version}; this one knows {len(migrations)}).",
            hint="Update Samovar, or use another SAMOVAR_HOME.",
        )
    return version


def migrate(db: Database, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply what is missing, after copying a database that holds data to `<path>.v<version>`.

    Raises `store_too_new`, before anything is written. A step that fails is rolled back and raises its own error.
    """
    version = check_version(db, path, migrations)
    missing = migrations[version:]
    if not missing:
        return
    if version:
        _copy(db, path.with_name(f"{path.name}.v{version}"))
    else:
        db.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL)"
        )
    for migration in missing:
        with db.atomic():
            migration.migrate(db)
            db.execute(
                "INSERT INTO migrations (number, name, applied_at) VALUES (?, ?, ?)",
                (migration.number, migration.name, time.time()),
            )


def _copy(db: Database, target: Path) -> None:
    """A consistent copy, readable by the owner alone, complete before it has its name."""
    temporary = target.with_name(f"{target.name}.partial")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            db.conn.backup(copy)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
