"""Files in collections: which document each became, how far that has come, and what searches may filter by."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from samovar_agent.store.columns import slices, text_column
from samovar_agent.store.portions import Portion, read_portion

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

AttachmentStatus = Literal["in_progress", "completed", "failed", "cancelled"]
AttributeValue = str | int | float | bool
Attributes = dict[str, AttributeValue]

_AWAITED = (
    ":going_on AND EXISTS (SELECT 1 FROM collections JOIN chunks ON chunks.content = documents.content"
    " WHERE collections.id = documents.collection AND collections.model IS NOT NULL"
    " AND collections.model NOT IN (SELECT value FROM json_each(:without))"
    " AND NOT EXISTS (SELECT 1 FROM chunk_vectors WHERE chunk_vectors.chunk = chunks.id"
    " AND chunk_vectors.model = (SELECT id FROM embedding_models WHERE key = collections.model)))"
)
STATUS = (
    "CASE WHEN file_attachments.document IS NULL THEN 'cancelled' WHEN documents.state = 'failed' THEN 'failed'"
    f" WHEN documents.state = 'ready' AND NOT ({_AWAITED}) THEN 'completed' ELSE 'in_progress' END"
)
"""The status of a row of `file_attachments`, joined with `documents`; it needs the values of `Vectors.awaited`. What is
completed is found by words and by meaning, as clients expect who search right after that."""

_ROWS = (
    "SELECT file_attachments.*, files.name, files.size, documents.problem,"  # noqa: S608 - only texts of ours
    f" {STATUS} AS status FROM file_attachments"
    " JOIN files ON files.id = file_attachments.file"
    " LEFT JOIN documents ON documents.id = file_attachments.document"
)


class AttachmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a collection.

    - document: what it became; None where that was cancelled. - name, size: of the file. - batch: it came with.
    - problem: JSON; why the document failed, or what is missing of it.
    """

    id: int
    collection: int
    file: int
    document: int | None
    batch: int | None
    attributes: Attributes
    created_at: float
    name: str
    size: int
    status: AttachmentStatus
    problem: str | None


class NewAttachment(NamedTuple):
    """A file and the document that it became."""

    file: int
    document: int
    attributes: Attributes


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were attached together. - counts: how many of them are in which status."""

    id: int
    collection: int
    created_at: float
    cancelled: bool
    counts: dict[AttachmentStatus, int]


class Attachments:
    """The tables `file_attachments` and `file_batches`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, collection: int, attachments: Sequence[NewAttachment], batch: int | None = None) -> None:
        """New rows, or the old ones of the same files with new values; none of a document that is gone meanwhile."""
        now = time.time()

        def insert(db: Database) -> None:
            for file, document, attributes in attachments:
                db.execute(
                    "INSERT INTO file_attachments (collection, file, document, batch, attributes, created_at)"
                    " SELECT ?, files.id, documents.id, ?, ?, ? FROM files, documents"
                    " WHERE files.id = ? AND documents.id = ?"
                    " ON CONFLICT (collection, file) DO UPDATE SET"
                    " document = excluded.document, batch = excluded.batch, attributes = excluded.attributes",
                    [collection, batch, _json(attributes), now, file, document],
                )

        await self._store.run(insert)

    async def ls(
        self, collection: int, portion: Portion, *, status: AttachmentStatus | None = None, batch: int | None = None
    ) -> tuple[list[AttachmentRow], bool]:
        """Files of a collection, and whether there are more. - portion: by id of the row. - batch: only of this one."""
        question = (
            f"SELECT * FROM ({_ROWS}) WHERE collection = :collection"  # noqa: S608 - only texts of ours
            " AND (:status IS NULL OR status = :status) AND (:batch IS NULL OR batch = :batch)"
        )
        values = {**self._store.vectors.awaited.values, "collection": collection, "status": status, "batch": batch}
        rows, more = await self._store.read(lambda db: read_portion(db, question, values, portion))
        return [_row(row) for row in rows], more

    async def all(self, collection: int) -> list[AttachmentRow]:
        """Every file of a collection, the first attached first."""
        where = "WHERE file_attachments.collection = :collection ORDER BY file_attachments.id"
        return await self._read(where, collection=collection)

    async def find(self, collection: int, file: int) -> AttachmentRow | None:
        """The file in the collection, or None."""
        where = "WHERE file_attachments.collection = :collection AND file_attachments.file = :file"
        return next(iter(await self._read(where, collection=collection, file=file)), None)

    async def of_file(self, file: int) -> list[AttachmentRow]:
        """Where a file is attached."""
        return await self._read("WHERE file_attachments.file = :file ORDER BY file_attachments.id", file=file)

    async def of_documents(self, documents: Sequence[int]) -> dict[int, AttachmentRow]:
        """For each of these documents the file that it was made of; other documents are left out."""
        where = "WHERE file_attachments.document IN (SELECT value FROM json_each(:documents))"
        rows = await self._read(where, documents=msgspec.json.encode(sorted(set(documents))).decode())
        return {row.document: row for row in rows if row.document is not None}

    async def set_attributes(self, collection: int, file: int, attributes: Attributes) -> None:
        """Replace the attributes of a file in a collection."""
        values = [_json(attributes), collection, file]
        await self._store.run(
            lambda db: db.execute(
                "UPDATE file_attachments SET attributes = ? WHERE collection = ? AND file = ?", values
            )
        )

    async def mark_cancelled(self, ids: Sequence[int]) -> None:
        """These rows have no document any more; to be called before the documents are removed, or they go along."""

        def update(db: Database) -> None:
            for marks, some in slices(ids):
                db.execute(f"UPDATE file_attachments SET document = NULL WHERE id IN ({marks})", some)  # noqa: S608

        await self._store.run(update)

    async def delete(self, collection: int, file: int) -> None:
        """The file is no longer in the collection."""
        values = [collection, file]
        await self._store.run(
            lambda db: db.execute("DELETE FROM file_attachments WHERE collection = ? AND file = ?", values)
        )

    async def create_batch(self, collection: int) -> int:
        """A new batch; returns its id."""
        values = [collection, time.time()]
        id_ = await self._store.run(
            lambda db: (
                db.execute(
                    "INSERT INTO file_batches (collection, created_at, cancelled) VALUES (?, ?, 0)", values
                ).lastrowid
            )
        )
        assert id_ is not None
        return id_

    async def delete_batch(self, id_: int) -> None:
        """Remove a batch; its files stay attached."""
        await self._store.run(lambda db: db.execute("DELETE FROM file_batches WHERE id = ?", [id_]))

    async def find_batch(self, id_: int) -> BatchRow | None:
        """The batch with this id, or None."""

        def read(db: Database) -> BatchRow | None:
            for row in db.query("SELECT * FROM file_batches WHERE id = ?", [id_]):
                counted = db.execute(
                    f"SELECT {STATUS}, count(*) FROM file_attachments"  # noqa: S608 - only texts of ours
                    " LEFT JOIN documents ON documents.id = file_attachments.document"
                    " WHERE file_attachments.batch = :batch GROUP BY 1",
                    {**self._store.vectors.awaited.values, "batch": id_},
                )
                values = {**row, "cancelled": bool(row["cancelled"]), "counts": dict(counted.fetchall())}
                return msgspec.convert(values, BatchRow)
            return None

        return await self._store.read(read)

    async def cancel_batch(self, id_: int) -> None:
        """Say that a batch was cancelled."""
        await self._store.run(lambda db: db.execute("UPDATE file_batches SET cancelled = 1 WHERE id = ?", [id_]))

    async def _read(self, where: str, **named: int | str) -> list[AttachmentRow]:
        question = f"{_ROWS} {where}"
        values = {**self._store.vectors.awaited.values, **named}
        return [_row(row) for row in await self._store.read(lambda db: list(db.query(question, values)))]


def _row(row: dict[str, Any]) -> AttachmentRow:
    return msgspec.convert({**row, "attributes": msgspec.json.decode(row["attributes"])}, AttachmentRow)


def _json(attributes: Attributes) -> str:
    return text_column(msgspec.json.encode(attributes).decode())
