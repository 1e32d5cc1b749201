"""Sources: where the documents of a collection come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from samovar_agent.store.columns import SEEN, path_column, path_value

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

SourceKind = Literal["file", "folder", "text"]
SourceState = Literal["present", "missing", "paused"]
"""missing: the file or folder is not there now; what was read of it stays until somebody removes it."""


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source. - path: absolute; None for pasted text. - excludes: patterns of what is left out of a folder."""

    id: int
    collection: int
    kind: SourceKind
    path: str | None
    excludes: list[str]
    watch: bool
    state: SourceState


class Sources:
    """The table `sources`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(
        self,
        collection: int,
        kind: SourceKind,
        path: str | None = None,
        *,
        excludes: Sequence[str] = (),
        watch: bool = False,
    ) -> SourceRow:
        """A new source; where the collection has one of this kind and path, that one with the new options."""
        column = path_column(path)
        options = [msgspec.json.encode(list(excludes)).decode(), watch]

        def insert(db: Database) -> dict[str, Any]:
            same = db.execute(
                "SELECT id FROM sources WHERE collection = ? AND kind = ? AND path = ?", [collection, kind, column]
            ).fetchone()
            if same:
                id_ = same[0]
                db.execute(
                    "UPDATE sources SET excludes = ?, watch = ?, state = 'present' WHERE id = ?", [*options, id_]
                )
            else:
                id_ = db.execute(
                    "INSERT INTO sources (collection, kind, path, excludes, watch, state)"
                    " VALUES (?, ?, ?, ?, ?, 'present')",
                    [collection, kind, column, *options],
                ).lastrowid
            return next(iter(db.query("SELECT * FROM sources WHERE id = ?", [id_])))

        return _row(await self._store.run(insert))

    async def ls(self, collection: int | None = None) -> list[SourceRow]:
        """The sources of a collection, or of all, the oldest first."""
        rows = await self._store.read(
            lambda db: list(
                db.query(
                    f"SELECT * FROM sources WHERE (:collection IS NULL AND {SEEN})"  # noqa: S608 - only texts of ours
                    " OR collection = :collection ORDER BY id",
                    {"collection": collection},
                )
            )
        )
        return [_row(row) for row in rows]

    async def set_state(self, id_: int, state: SourceState) -> None:
        """Say how it stands with the source."""
        await self._store.run(lambda db: db.execute("UPDATE sources SET state = ? WHERE id = ?", [state, id_]))

    async def delete(self, id_: int) -> bool:
        """Remove a source and its documents; says whether there was one. For the rest see `Documents.sweep`."""

        def remove(db: Database) -> bool:
            db.execute("DELETE FROM documents WHERE source = ?", [id_])
            return db.execute("DELETE FROM sources WHERE id = ?", [id_]).rowcount > 0

        return await self._store.run(remove)


def _row(row: dict[str, Any]) -> SourceRow:
    values = {
        **row,
        "path": path_value(row["path"]),
        "excludes": msgspec.json.decode(row["excludes"]),
        "watch": bool(row["watch"]),
    }
    return msgspec.convert(values, SourceRow)
