"""Downloads that outlive the process, answers of the hub, when the scheduler ran what, digests measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Version 1 becomes version 2."""
    # A row is a download. wanted: JSON, all that there is to know to fetch it, digests included. state: see the
    # protocol's DownloadState. failure: JSON, why it waits or failed.
    # done_bytes: what had come when that was last written down; the files themselves know better.
    db.execute(
        """
        CREATE TABLE downloads (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            wanted TEXT NOT NULL,
            state TEXT NOT NULL,
            priority INTEGER NOT NULL,
            requester TEXT NOT NULL,
            created_at REAL NOT NULL,
            changed_at REAL NOT NULL,
            source TEXT,
            model TEXT,
            failure TEXT,
            done_bytes INTEGER NOT NULL DEFAULT 0,
            total_bytes INTEGER
        )
        """
    )
    # A row is an answer of the hub, kept for when it cannot be asked. question: what was asked; answer: JSON.
    db.execute(
        """
        CREATE TABLE hub_answers (
            question TEXT PRIMARY KEY NOT NULL,
            answer TEXT NOT NULL,
            answered_at REAL NOT NULL
        )
        """
    )
    # A row is something that is done now and then where there is a network. failures: in a row, since the last success.
    db.execute(
        """
        CREATE TABLE schedule (
            name TEXT PRIMARY KEY NOT NULL,
            attempted_at REAL,
            succeeded_at REAL,
            failures INTEGER NOT NULL DEFAULT 0
        )
        """
    )
    # A row is a file that was read from end to end: what it was then. The digests of downloads are in `models`, where
    # they were known before the file was; here are those that nobody had stated.
    db.execute(
        """
        CREATE TABLE digests (
            path TEXT PRIMARY KEY NOT NULL,
            size_bytes INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            recorded_at REAL NOT NULL
        )
        """
    )
