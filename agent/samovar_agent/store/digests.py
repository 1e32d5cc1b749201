"""Digests that were measured: of files that nobody else vouches for, so that later damage shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from samovar_agent.store.store import Store


class DigestRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one file was when it was read. - path: absolute. - sha256: hexadecimal."""

    path: str
    size_bytes: int
    sha256: str
    recorded_at: float


class Digests:
    """The table `digests`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ls(self) -> dict[str, DigestRow]:
        """Every row by its path."""
        rows = await self._store.run(lambda db: list(db.query("SELECT * FROM digests")))
        return {row.path: row for row in msgspec.convert(rows, list[DigestRow])}

    async def put(self, row: DigestRow) -> None:
        """Add a row, or replace the one of its path."""
        values = msgspec.to_builtins(row)
        await self._store.run(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO digests (path, size_bytes, sha256, recorded_at)"
                " VALUES (:path, :size_bytes, :sha256, :recorded_at)",
                values,
            )
        )

    async def delete(self, paths: list[str]) -> None:
        """Forget these files."""
        await self._store.run(lambda db: [db.execute("DELETE FROM digests WHERE path = ?", [path]) for path in paths])
