"""Sources: where the documents of a collection come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_agent.store.columns import SEEN, path_column, path_value
from samovar_protocol.documents import SourceKind, SourceState

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source. - path: absolute; None for pasted text. - excludes: patterns of what is left out of a folder.

    - own_disk: the folder was seen to be where a disk is mounted, so that without one it says nothing.
    """

    id: int
    collection: int
    kind: SourceKind
    path: str | None
    excludes: list[str]
    watch: bool
    state: SourceState
    own_disk: bool = False


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

    async def find(self, collection: int, path: str) -> SourceRow | None:
        """The file or folder of a collection that has this path, or None."""
        values = [collection, path_column(path)]
        question = "SELECT * FROM sources WHERE collection = ? AND path = ? ORDER BY id"
        return await self._store.read(lambda db: next((_row(row) for row in db.query(question, values)), None))

    async def at(self, path: str) -> list[SourceRow]:
        """The sources of all collections that have this path."""
        values = [path_column(path)]
        rows = await self._store.read(
            lambda db: list(db.query("SELECT * FROM sources WHERE path = ? ORDER BY id", values))
        )
        return [_row(row) for row in rows]

    async def counts(self, collection: int | None = None) -> dict[int, int]:
        """How many documents come from which source; sources of none are left out."""
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT source, count(*) FROM documents WHERE :collection IS NULL OR collection = :collection"
                " GROUP BY source",
                {"collection": collection},
            ).fetchall()
        )
        return {row[0]: row[1] for row in rows}

    async def change(self, id_: int, *, excludes: Sequence[str] | None = None, watch: bool | None = None) -> None:
        """Other options; None keeps one as it is. A source that was paused goes on where it is to be watched."""
        patterns = None if excludes is None else msgspec.json.encode(list(excludes)).decode()
        await self._store.run(
            lambda db: db.execute(
                "UPDATE sources SET excludes = coalesce(:patterns, excludes), watch = coalesce(:watch, watch),"
                " state = CASE WHEN :watch = 1 AND state = 'paused' THEN 'present' ELSE state END WHERE id = :id",
                {"patterns": patterns, "watch": watch, "id": id_},
            )
        )

    async def set_own_disk(self, id_: int, own_disk: bool) -> None:
        """Say whether the folder is where a disk is mounted."""
        await self._store.run(lambda db: db.execute("UPDATE sources SET own_disk = ? WHERE id = ?", [own_disk, id_]))

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
        "own_disk": bool(row["own_disk"]),
    }
    return msgspec.convert(values, SourceRow)
