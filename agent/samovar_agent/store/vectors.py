"""Vectors of chunks, for each embedding model its own. This is the truth; an index for searching is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from samovar_agent.store.columns import slices
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.fitting import Fitting
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

T = TypeVar("T")
RowsOf = Callable[[list[int]], list[tuple[int, bytes]]]
"""Chunks to their vectors, in any order; those that have none are left out."""

_FLOAT_BYTES = 4
_DROPPED = 5000
"""Vectors that go in one transaction."""


class VectorsState(NamedTuple):
    """What an index of a model's vectors must contain. - newest: the greatest chunk id; 0 for none."""

    dimensions: int
    vectors: int
    newest: int


class Awaited(NamedTuple):
    """Which vectors are on their way. - going_on: whether any are. - without: models, by key, that make none now."""

    going_on: bool = False
    without: frozenset[str] = frozenset()

    @property
    def values(self) -> dict[str, int | str]:
        """For conditions that ask whether a file is `searchable`."""
        return {"going_on": self.going_on, "without": msgspec.json.encode(sorted(self.without)).decode()}


class Unembedded(NamedTuple):
    """A chunk that has no vector yet, and what it is made of."""

    chunk: int
    title: str
    heading: str
    text: str
    tokens: int


class Vectors:
    """The table `chunk_vectors`. A model is a key of the caller's; vectors are 32-bit floats, little-endian.

    - awaited: said by who makes them; nobody waits for vectors that never come.
    """

    awaited = Awaited()

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_vectors(self, model: str, vectors: Sequence[tuple[int, bytes]]) -> list[int]:
        """Store vectors by chunk id; returns the ids of those that are stored: the others' chunks are gone.

        - vectors: of length one. Raises `bad_request` where they have not as many dimensions as the model's others.
        """
        if not vectors:
            return []
        size = len(vectors[0][1])
        if size == 0 or size % _FLOAT_BYTES or any(len(vector) != size for _, vector in vectors):
            raise SamovarError(
                FailureCode.BAD_REQUEST, "Vectors of 32-bit floats, all equally long, are stored; these are not."
            )

        def insert(db: Database) -> list[int]:
            id_ = model_id(db, model, size // _FLOAT_BYTES)
            return [
                chunk
                for chunk, vector in vectors
                if db.execute(
                    "INSERT OR REPLACE INTO chunk_vectors (chunk, model, vector, sha256)"
                    " SELECT id, ?, ?, sha256 FROM chunks WHERE id = ?",
                    [id_, vector, chunk],
                ).rowcount
            ]

        return await self._store.run(insert, rearranges=lambda _: False)

    async def get(self, model: str, chunks: Sequence[int]) -> dict[int, bytes]:
        """The vectors of these chunks, as far as there are any."""

        return await self.with_rows(model, lambda rows_of: dict(rows_of(list(chunks))))

    async def with_rows(self, model: str, function: Callable[[RowsOf], T]) -> T:
        """Call `function` beside whatever is being written, with what finds the vectors of chunks; it may block."""
        return await self._store.read(lambda db: function(partial(_rows, db, model)))

    async def with_filter(
        self,
        model: str,
        collections: Sequence[int] | None,
        filters: DocumentFilter,
        function: Callable[[RowsOf, Fitting | None], T],
    ) -> T:
        """As `with_rows`, with what says which chunks fit; None where all do. - collections: None for all."""

        if collections is None and filters == EVERY_DOCUMENT:
            return await self.with_rows(model, lambda rows_of: function(rows_of, None))
        return await self._store.read_filtered(
            collections, filters, lambda db, fitting: function(partial(_rows, db, model), fitting)
        )

    async def after(self, model: str, chunk: int, limit: int = 2000) -> list[tuple[int, bytes]]:
        """The next vectors in the order of their chunks, to make an index of. - chunk: the last before, 0 at first."""
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT chunk, vector FROM chunk_vectors"
                " WHERE chunk > ? AND model = (SELECT id FROM embedding_models WHERE key = ?) ORDER BY chunk LIMIT ?",
                [chunk, model, limit],
            ).fetchall()
        )
        return [(row[0], row[1]) for row in rows]

    async def ids(self, model: str) -> list[int]:
        """The chunks that have a vector, ascending: what an index of them must contain."""
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT chunk FROM chunk_vectors WHERE model = (SELECT id FROM embedding_models WHERE key = ?)"
                " ORDER BY chunk",
                [model],
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def without(self, model: str, collection: int, after: int = 0, limit: int = 256) -> list[Unembedded]:
        """Chunks of a collection that this model has no vector for, by id. - after: the last one of the portion before.

        Nothing else says what is left to embed, so that this goes on where a killed agent ended.
        """
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT chunks.id, contents.title, chunk_texts.heading, chunk_texts.text, chunks.tokens FROM chunks"
                " JOIN chunk_texts ON chunk_texts.chunk = chunks.id JOIN contents ON contents.id = chunks.content"
                " WHERE chunks.id > :after AND NOT EXISTS (SELECT 1 FROM chunk_vectors WHERE chunk = chunks.id"
                " AND model = (SELECT id FROM embedding_models WHERE key = :model))"
                " AND EXISTS (SELECT 1 FROM documents WHERE documents.content = chunks.content"
                " AND documents.collection = :collection)"
                " ORDER BY chunks.id LIMIT :limit",
                {"after": after, "model": model, "collection": collection, "limit": limit},
            ).fetchall()
        )
        return [Unembedded(*row) for row in rows]

    async def state(self, model: str) -> VectorsState:
        """How many vectors there are of a model, to compare an index with."""

        def look(db: Database) -> VectorsState:
            known = db.execute("SELECT id, dimensions FROM embedding_models WHERE key = ?", [model]).fetchone()
            if known is None:
                return VectorsState(0, 0, 0)
            count, newest = db.execute(
                "SELECT count(*), coalesce(max(chunk), 0) FROM chunk_vectors WHERE model = ?", [known[0]]
            ).fetchone()
            return VectorsState(known[1], count, newest)

        return await self._store.read(look)

    async def dimensions(self, model: str) -> int | None:
        """How many the vectors of a model have; None where there are none."""
        row = await self._store.read(
            lambda db: db.execute(
                "SELECT dimensions FROM embedding_models WHERE key = ?"
                " AND EXISTS (SELECT 1 FROM chunk_vectors WHERE model = embedding_models.id)",
                [model],
            ).fetchone()
        )
        return None if row is None else int(row[0])

    async def models(self) -> list[str]:
        """The keys of the models that have vectors."""
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT key FROM embedding_models WHERE EXISTS"
                " (SELECT 1 FROM chunk_vectors WHERE model = embedding_models.id) ORDER BY key"
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def drop(self, model: str) -> int:
        """Remove some vectors of a model; returns how many, 0 when none are left. To be called until then."""
        return await self._store.run(
            lambda db: (
                db.execute(
                    "DELETE FROM chunk_vectors WHERE rowid IN (SELECT rowid FROM chunk_vectors"
                    " WHERE model = (SELECT id FROM embedding_models WHERE key = ?) LIMIT ?)",
                    [model, _DROPPED],
                ).rowcount
            )
        )


def _rows(db: Database, model: str, chunks: list[int]) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for marks, some in slices(chunks):
        found += db.execute(
            "SELECT chunk, vector FROM chunk_vectors"  # noqa: S608
            f" WHERE chunk IN ({marks}) AND model = (SELECT id FROM embedding_models WHERE key = ?)",
            [*some, model],
        ).fetchall()
    return found


def model_id(db: Database, key: str, dimensions: int) -> int:
    """The model's id. Its dimensions are those of its first vectors, and change only when none are left."""
    row = db.execute("SELECT id, dimensions FROM embedding_models WHERE key = ?", [key]).fetchone()
    if row is None:
        cursor = db.execute("INSERT INTO embedding_models (key, dimensions) VALUES (?, ?)", [key, dimensions])
        assert cursor.lastrowid is not None
        return cursor.lastrowid
    id_, known = int(row[0]), int(row[1])
    if known != dimensions:
        if db.execute("SELECT 1 FROM chunk_vectors WHERE model = ? LIMIT 1", [id_]).fetchone():
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"Vectors of '{key}' have {known} dimensions here; these have {dimensions}.",
                hint="Vectors of another model need another key.",
            )
        db.execute("UPDATE embedding_models SET dimensions = ? WHERE id = ?", [dimensions, id_])
    return id_
