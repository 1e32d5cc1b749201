"""The first tables. Times are Unix seconds, sizes bytes.

Plain SQL, so that no newer library reads it differently. No STRICT tables: SQLite has them from 3.37 only, and some
systems that are still supported ship an older one with their Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(db: Database) -> None:
    """An empty database becomes version 1."""
    # A row is a model that was imported or downloaded. Files that merely lie in a models folder have none: the folder
    # itself says that they are there.
    # origin: "library" for a file below our own models folder, "link" for one that stays where its owner put it.
    # sha256: NULL where nobody computed it. source: JSON, where a download came from; NULL for an import.
    db.execute(
        """
        CREATE TABLE models (
            key TEXT PRIMARY KEY NOT NULL,
            path TEXT NOT NULL,
            publisher TEXT NOT NULL,
            name TEXT NOT NULL,
            origin TEXT NOT NULL,
            sha256 TEXT,
            size_bytes INTEGER NOT NULL,
            source TEXT,
            added_at REAL NOT NULL
        )
        """
    )
    # A row is one permission to reach the network that was asked for, granted or not.
    # outcome: NULL while the connection is open; "ok", "failed: …", "cancelled", "refused", or "interrupted" where the
    # agent died. bytes_*: NULL while open and for ever after "interrupted", because nobody counted them.
    # host: empty where a refusal came before it was known. requester: who asked. detail: what for, for people.
    db.execute(
        """
        CREATE TABLE network_journal (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            started_at REAL NOT NULL,
            ended_at REAL,
            purpose TEXT NOT NULL,
            host TEXT NOT NULL,
            bytes_received INTEGER,
            bytes_sent INTEGER,
            outcome TEXT,
            requester TEXT NOT NULL,
            detail TEXT NOT NULL
        )
        """
    )
    # A row is an API token, kept after revocation so that people can see that it existed.
    # hash: SHA-256 of the secret, hexadecimal; a secret is 256 random bits, so a slow hash would add nothing.
    # prefix: the secret's beginning, to recognise it by. scopes: JSON list.
    db.execute(
        """
        CREATE TABLE tokens (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            scopes TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            prefix TEXT NOT NULL,
            created_at REAL NOT NULL,
            revoked_at REAL
        )
        """
    )
    db.execute("CREATE UNIQUE INDEX tokens_live_name ON tokens (name) WHERE revoked_at IS NULL")
