"""API tokens that expire, and when one was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Version 3 becomes version 4."""
    # expires_at: NULL for never. last_used_at: NULL where it never was; written about once a minute. A token whose
    # revoked_at equals its expires_at was not revoked: it expired, and its name was given to another.
    db.execute("ALTER TABLE tokens ADD COLUMN expires_at REAL")
    db.execute("ALTER TABLE tokens ADD COLUMN last_used_at REAL")
