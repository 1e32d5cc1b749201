"""What a collection holds, read from one state of the database from the beginning to the end.

    await store.exports.read(collection.id, collection.model, lambda snapshot: write(snapshot.documents()))

Others index and remove meanwhile as always: with a write-ahead log a reader sees the commit that it began with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from samovar_agent.store.columns import path_value
from samovar_agent.store.contents import IMPORTED, Content, NewChunk
from samovar_agent.store.documents import DocumentRow
from samovar_agent.store.sources import SourceRow

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

T = TypeVar("T")

_DOCUMENT = ", ".join(f'"{name}"' for name in DocumentRow.__struct_fields__)


class ExportCounts(NamedTuple):
    """What there is. - chunks: different ones. - vectors: of the model. - dimensions: of each; 0 without vectors."""

    sources: int
    documents: int
    chunks: int
    vectors: int
    dimensions: int


class ExportedChunk(NamedTuple):
    """A passage, and its vector where it has one."""

    chunk: NewChunk
    vector: bytes | None


class Snapshot:
    """One collection as it was at one moment. For the thread it was made on.

    - collection: its id. - model: whose vectors are wanted; None for none.
    """

    def __init__(self, db: Database, collection: int, model: str | None) -> None:
        self._db, self._collection = db, collection
        row = db.execute("SELECT id, dimensions FROM embedding_models WHERE key = ?", [model]).fetchone()
        self._model: int | None = row[0] if row else None
        self._dimensions: int = row[1] if row else 0

    def counts(self) -> ExportCounts:
        """Reads what says it; takes a second for a million passages."""

        def count(question: str) -> int:
            values = {"collection": self._collection, "model": self._model}
            return int(self._db.execute(question, values).fetchone()[0])

        contents = "(SELECT content FROM documents WHERE collection = :collection AND content IS NOT NULL)"
        vectors = count(
            "SELECT count(*) FROM chunk_vectors JOIN chunks ON chunks.id = chunk_vectors.chunk"  # noqa: S608
            f" WHERE chunk_vectors.model = :model AND chunks.content IN {contents}"
        )
        return ExportCounts(
            sources=count("SELECT count(*) FROM sources WHERE collection = :collection"),
            documents=count("SELECT count(*) FROM documents WHERE collection = :collection"),
            chunks=count(f"SELECT count(*) FROM chunks WHERE content IN {contents}"),  # noqa: S608 - texts of ours
            vectors=vectors,
            dimensions=self._dimensions if vectors else 0,
        )

    def sources(self) -> Iterator[SourceRow]:
        """Every source, by id."""
        rows = self._db.execute(
            "SELECT id, collection, kind, path, excludes, watch, state, own_disk FROM sources WHERE collection = ?"
            " ORDER BY id",
            [self._collection],
        )
        for id_, collection, kind, path, excludes, watch, state, own_disk in rows:
            yield SourceRow(
                id=id_,
                collection=collection,
                kind=kind,
                path=path_value(path),
                excludes=msgspec.json.decode(excludes, type=list[str]),
                watch=bool(watch),
                state=state,
                own_disk=bool(own_disk),
            )

    def documents(self) -> Iterator[DocumentRow]:
        """Every document; those of the same content one after the other, so that it need not be looked for."""
        rows = self._db.execute(
            f"SELECT {_DOCUMENT} FROM documents WHERE collection = ? ORDER BY content, id",  # noqa: S608 - texts of ours
            [self._collection],
        )
        for row in rows:
            values = dict(zip(DocumentRow.__struct_fields__, row, strict=True))
            yield msgspec.convert({**values, "path": path_value(values["path"])}, DocumentRow)

    def content(self, id_: int) -> tuple[Content, int]:
        """A content, and how many chunks it has."""
        row = self._db.execute(
            "SELECT sha256, recipe, title, media_type, pages,"
            " (SELECT count(*) FROM chunks WHERE content = contents.id) FROM contents WHERE id = ?",
            [id_],
        ).fetchone()
        content = Content(*row[:5])
        if content.recipe.startswith(IMPORTED):  # imported:<collection>:<number>:<recipe>, see `imports`
            content = content._replace(recipe=content.recipe.split(":", 3)[-1])
        return content, row[5]

    def chunks(self, content: int) -> Iterator[ExportedChunk]:
        """The chunks of a content in order."""
        rows = self._db.execute(
            'SELECT chunk_texts.text, chunks.start, chunks."end", chunks.tokens, chunk_texts.heading, chunks.page,'
            " chunk_vectors.vector FROM chunks JOIN chunk_texts ON chunk_texts.chunk = chunks.id"
            " LEFT JOIN chunk_vectors ON chunk_vectors.chunk = chunks.id AND chunk_vectors.model = ?"
            " WHERE chunks.content = ? ORDER BY chunks.ordinal",
            [self._model, content],
        )
        for text, start, end, tokens, heading, page, vector in rows:
            chunk = NewChunk(text=text, start=start, end=end, tokens=tokens, heading=heading, page=page)
            yield ExportedChunk(chunk, vector)


class Exports:
    """Reads collections as a whole."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = asyncio.Lock()

    async def read(self, collection: int, model: str | None, function: Callable[[Snapshot], T]) -> T:
        """Call `function(snapshot)` on a thread that only reads; it may take minutes. See `Snapshot`."""
        async with self._turn:  # several would leave no thread for searches
            return await self._store.read(lambda db: function(Snapshot(db, collection, model)))
