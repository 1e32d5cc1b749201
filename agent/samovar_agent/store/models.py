"""Models that were imported or downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from samovar_agent.store.store import Store


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model that we were told of.

    - key: `publisher/name` or `publisher/name@quantization`. - path: absolute.
    - origin: "library" (below our models folder) or "link" (left where its owner put it).
    - sha256: None where nobody computed it. - source: JSON, where a download came from.
    """

    key: str
    path: str
    publisher: str
    name: str
    origin: str
    size_bytes: int
    added_at: float
    sha256: str | None = None
    source: str | None = None


class Models:
    """The table `models`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ls(self) -> list[ModelRow]:
        """Every row, sorted by key."""
        rows = await self._store.run(lambda db: list(db.query("SELECT * FROM models ORDER BY key")))
        return msgspec.convert(rows, list[ModelRow])

    async def put(self, row: ModelRow) -> None:
        """Add a row, or replace the one with its key."""
        values = msgspec.to_builtins(row)
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        await self._store.run(
            lambda db: db.execute(f"INSERT OR REPLACE INTO models ({columns}) VALUES ({marks})", values)  # noqa: S608
        )

    async def delete(self, key: str) -> bool:
        """Remove the row with this key; says whether there was one."""
        return await self._store.run(lambda db: db.execute("DELETE FROM models WHERE key = ?", [key]).rowcount > 0)
