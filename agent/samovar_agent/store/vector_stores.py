"""Collections as OpenAI's clients see them: with a name that need not be unique, metadata, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from samovar_agent.store.attachments import STATUS, AttachmentStatus
from samovar_agent.store.columns import text_column
from samovar_agent.store.portions import Portion, read_portion
from samovar_agent.store.vectors import Awaited
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

_ROWS = (
    "SELECT collections.id, collections.name AS collection, collections.created_at, description, metadata,"
    " CASE WHEN called = collections.name THEN vector_stores.name ELSE collections.name END AS name,"
    " EXISTS (SELECT 1 FROM documents WHERE collection = collections.id AND state IN ('queued', 'indexing')) AS busy"
    " FROM collections LEFT JOIN vector_stores ON vector_stores.collection = collections.id WHERE TRUE"
)


class VectorStoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """A collection.

    - name: as OpenAI's clients call it, until somebody renames the collection. - collection: its own name.
    - busy: some of its documents are still to be read, or some of its files wait for their vectors.
    - counts: how many of its files are in which status. - size: of those files, in bytes.
    """

    id: int
    name: str
    collection: str
    created_at: float
    description: str | None
    metadata: dict[str, str]
    busy: bool
    counts: dict[AttachmentStatus, int]
    size: int


class VectorStores:
    """The table `vector_stores`, and what others say about the same collections."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(
        self, collection: int, *, name: str, called: str, description: str | None, metadata: dict[str, str]
    ) -> None:
        """Say this about a collection from now on. - called: the collection's own name."""
        values = [collection, text_column(name), text_column(called)]
        values += [None if description is None else text_column(description), _json(metadata)]
        await self._store.run(
            lambda db: db.execute(
                "INSERT INTO vector_stores (collection, name, called, description, metadata) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (collection) DO UPDATE SET name = excluded.name, called = excluded.called,"
                " description = excluded.description, metadata = excluded.metadata",
                values,
            )
        )

    async def get(self, id_: int) -> VectorStoreRow:
        """The collection with this id. Raises `not_found`."""

        def read(db: Database) -> VectorStoreRow | None:
            awaited = self._store.vectors.awaited
            return next((_row(db, row, awaited) for row in db.query(f"{_ROWS} AND collections.id = ?", [id_])), None)

        if (row := await self._store.read(read)) is None:
            raise SamovarError(
                FailureCode.NOT_FOUND, f"There is no vector store 'vs_{id_}'.", hint="List them: GET /v1/vector_stores."
            )
        return row

    async def ls(self, portion: Portion) -> tuple[list[VectorStoreRow], bool]:
        """Collections, and whether there are more."""

        def read(db: Database) -> tuple[list[VectorStoreRow], bool]:
            rows, more = read_portion(db, _ROWS, {}, portion, "collections.id")
            return [_row(db, row, self._store.vectors.awaited) for row in rows], more

        return await self._store.read(read)


def _row(db: Database, row: dict[str, Any], awaited: Awaited) -> VectorStoreRow:
    counted = db.execute(
        f"SELECT {STATUS}, count(*), sum(files.size) FROM file_attachments"  # noqa: S608 - only texts of ours
        " JOIN files ON files.id = file_attachments.file"
        " LEFT JOIN documents ON documents.id = file_attachments.document"
        " WHERE file_attachments.collection = :collection GROUP BY 1",
        {**awaited.values, "collection": row["id"]},
    ).fetchall()
    counts = {status: count for status, count, _ in counted}
    return msgspec.convert(
        {
            **row,
            "busy": bool(row["busy"]) or counts.get("in_progress", 0) > 0,
            "metadata": msgspec.json.decode(row["metadata"] or "{}"),
            "counts": counts,
            "size": sum(size for _, _, size in counted),
        },
        VectorStoreRow,
    )


def _json(metadata: dict[str, str]) -> str:
    return text_column(msgspec.json.encode(metadata).decode())
