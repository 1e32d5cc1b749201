"""The network journal: everything that left the machine, or was not allowed to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from samovar_protocol.values import JournalEntry

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store


class Journal:
    """The table `network_journal`; rows are added and finished, never removed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, purpose: str, host: str, requester: str, detail: str = "") -> int:
        """Write down a connection before it is opened; returns the row's id for `finish`."""

        def insert(db: Database) -> int:
            cursor = db.execute(
                "INSERT INTO network_journal (started_at, purpose, host, requester, detail) VALUES (?, ?, ?, ?, ?)",
                [time.time(), purpose, host, requester, detail],
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        return await self._store.run(insert)

    async def finish(
        self, row: int, outcome: str, *, host: str, bytes_received: int = 0, bytes_sent: int = 0, detail: str = ""
    ) -> None:
        """Write down how connection `row` ended; `host` and `detail` as they turned out to be."""
        await self._store.run(
            lambda db: db.execute(
                "UPDATE network_journal SET ended_at = ?, outcome = ?, host = ?, bytes_received = ?, bytes_sent = ?,"
                " detail = ? WHERE id = ?",
                [time.time(), outcome, host, bytes_received, bytes_sent, detail, row],
            )
        )

    async def ls(
        self, limit: int = 100, *, purpose: str | None = None, before: int | None = None
    ) -> list[JournalEntry]:
        """The newest rows first. - limit: at most so many. - purpose: only of this kind. - before: only older ones."""
        rows = await self._store.run(
            lambda db: list(
                db.query(
                    "SELECT * FROM network_journal WHERE (:purpose IS NULL OR purpose = :purpose)"
                    " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
                    {"purpose": purpose, "before": before, "limit": limit},
                )
            )
        )
        return msgspec.convert(rows, list[JournalEntry])

    async def mark_interrupted(self) -> None:
        """Close the rows that a crash left open; when they ended and what they carried stays unknown."""
        await self._store.run(
            lambda db: db.execute("UPDATE network_journal SET outcome = 'interrupted' WHERE outcome IS NULL")
        )
