"""Downloads: what was asked for and how far it came, so that a restart goes on with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_protocol.values import DownloadState

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

_KEPT = 100
"""Downloads that are over are kept for people to see; older ones go."""


class DownloadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A download.

    - wanted: JSON, all that there is to know to fetch it. - failure: JSON of a `Failure`; why it waits or failed.
    - done_bytes: what had come when that was last written down.
    """

    id: int
    name: str
    wanted: str
    state: DownloadState
    priority: int
    requester: str
    created_at: float
    changed_at: float
    source: str | None = None
    model: str | None = None
    failure: str | None = None
    done_bytes: int = 0
    total_bytes: int | None = None


class Downloads:
    """The table `downloads`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, *, name: str, wanted: str, priority: int, requester: str, total_bytes: int | None) -> int:
        """A new row in the state "queued"; returns its id."""

        def insert(db: Database) -> int:
            now = time.time()
            cursor = db.execute(
                "INSERT INTO downloads (name, wanted, state, priority, requester, created_at, changed_at, total_bytes)"
                " VALUES (?, ?, 'queued', ?, ?, ?, ?, ?)",
                [name, wanted, priority, requester, now, now, total_bytes],
            )
            db.execute(
                "DELETE FROM downloads WHERE state IN ('done', 'cancelled') AND id NOT IN"
                " (SELECT id FROM downloads WHERE state IN ('done', 'cancelled') ORDER BY id DESC LIMIT ?)",
                [_KEPT],
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        return await self._store.run(insert)

    async def change(self, id_: int, **values: Any) -> None:
        """Set some fields of a row by their names."""
        assert values.keys() <= set(DownloadRow.__struct_fields__), "fields of a row"
        fields = ", ".join(f"{name} = :{name}" for name in values)
        await self._store.run(
            lambda db: db.execute(
                f"UPDATE downloads SET {fields}, changed_at = :changed_at WHERE id = :id",  # noqa: S608
                {**values, "changed_at": time.time(), "id": id_},
            )
        )

    async def ls(self) -> list[DownloadRow]:
        """Newest first."""
        rows = await self._store.run(lambda db: list(db.query("SELECT * FROM downloads ORDER BY id DESC")))
        return msgspec.convert(rows, list[DownloadRow])
