"""Takes in a collection that comes from elsewhere, in portions; nobody sees it before it is whole.

    importing = await store.imports.begin("papers", exact=False, model=None, settings={})
    await importing.add([source, document, chunks, ...])
    collection = await importing.finish()           # or importing.discard()

What a killed agent leaves of one is removed by the next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.columns import path_column, text_column
from samovar_agent.store.contents import IMPORTED, Content, NewChunk, add_chunks, add_empty, add_words
from samovar_agent.store.vectors import model_id
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentState, SourceKind, SourceState

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

_LONGEST_NAME = 300
"""Characters, as in the protocol."""
_REMOVED = 2000
"""Documents that go in one transaction."""


class ImportedSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source; documents name it by its number, from 0 in the order in which they are added."""

    kind: SourceKind
    path: str | None
    excludes: list[str]
    state: SourceState


class ImportedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document. - source: its number. - content: what it says, whose chunks come next; None where it says nothing.

    - same: it says what the document before it says. - problem: JSON. The others are as in `DocumentRow`.
    """

    source: int
    path: str | None
    name: str
    size: int
    mtime: float
    sha256: str | None
    media_type: str
    title: str
    pages: int | None
    state: DocumentState
    problem: str | None
    indexed_at: float | None
    content: Content | None = None
    same: bool = False


class ImportedChunks(msgspec.Struct, frozen=True, kw_only=True):
    """The next chunks of the newest content. - vectors: one each, of the collection's model; None where it has none."""

    chunks: list[NewChunk]
    vectors: list[bytes | None]


Imported = ImportedSource | ImportedDocument | ImportedChunks


class Imports:
    """Collections that are being taken in."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(
        self, name: str, *, exact: bool, model: str | None, settings: dict[str, Any], words_only: bool = False
    ) -> Importing:
        """An empty collection that nobody sees yet; its name is taken from now on.

        - exact: refuse a name that is taken with `bad_request`; otherwise it gets a number behind it.
        """
        names = [name] if exact else [name, *(_numbered(name, number) for number in range(2, 1000))]
        for tried in names:
            try:
                collection = await self._store.collections.create(
                    tried, model=model, words_only=words_only, settings=settings, unfinished=True
                )
            except SamovarError as error:
                if error.failure.code != FailureCode.BAD_REQUEST or tried == names[-1]:
                    raise
                continue
            return Importing(self._store, collection)
        raise AssertionError("the last name either serves or raises")


class Importing:
    """One import. - collection: as it will be."""

    def __init__(self, store: Store, collection: CollectionRow) -> None:
        self._store = store
        self.collection = collection
        self._sources: list[int] = []
        self._content: tuple[int, Content] | None = None
        self._contents = 0
        self._ordinal = 0

    async def add(self, portion: Sequence[Imported]) -> None:
        """Store what comes next, in one transaction; after a failure only `discard` makes sense.

        The caller has checked that sources, contents and chunks are there when they are named. Raises `disk_full`, and
        `bad_request` where a source has a path twice, or vectors do not fit those that are here.
        """

        def insert(db: Database) -> None:
            for item in portion:
                if isinstance(item, ImportedSource):
                    self._source(db, item)
                elif isinstance(item, ImportedDocument):
                    self._document(db, item)
                else:
                    self._chunks(db, item)

        await self._store.run(insert)

    async def finish(self) -> CollectionRow:
        """Everybody sees it from now on."""
        await self._store.collections.finish(self.collection.id)
        return await self._store.collections.get(self.collection.id)

    async def discard(self) -> list[int]:
        """Nothing of it is left; returns the ids of the chunks that went."""
        id_ = self.collection.id

        def remove(db: Database) -> int:
            return db.execute(
                "DELETE FROM documents WHERE id IN (SELECT id FROM documents WHERE collection = ? LIMIT ?)",
                [id_, _REMOVED],
            ).rowcount

        while await self._store.run(remove):
            pass
        await self._store.collections.delete(id_)
        gone: list[int] = []
        while some := await self._store.documents.sweep():
            gone += some
        return gone

    def _source(self, db: Database, source: ImportedSource) -> None:
        excludes = msgspec.json.encode(source.excludes).decode()
        id_ = db.execute(
            "INSERT INTO sources (collection, kind, path, excludes, watch, state) VALUES (?, ?, ?, ?, 0, ?)",
            [self.collection.id, source.kind, path_column(source.path), excludes, source.state],
        ).lastrowid
        assert id_ is not None
        self._sources.append(id_)

    def _document(self, db: Database, document: ImportedDocument) -> None:
        if document.content is not None:
            # Its own recipe, so that it is never taken for what a file that is read here says.
            recipe = f"{IMPORTED}{self.collection.id}:{self._contents}:{document.content.recipe}"
            content = document.content._replace(recipe=recipe, title=text_column(document.content.title))
            self._content = add_empty(db, content), content
            self._contents += 1
            self._ordinal = 0
        content_id = self._content[0] if self._content and (document.content or document.same) else None
        values = {
            name: text_column(value) if isinstance(value, str) else value
            for name, value in msgspec.structs.asdict(document).items()
        }
        values |= {
            "collection": self.collection.id,
            "source": self._sources[document.source],
            "path": path_column(document.path),
            "content": content_id,
        }
        stored = db.execute(
            "INSERT INTO documents (collection, source, path, name, sha256, size, mtime, media_type, title, pages,"
            " state, problem, indexed_at, content, revision) VALUES (:collection, :source, :path, :name, :sha256,"
            " :size, :mtime, :media_type, :title, :pages, :state, :problem, :indexed_at, :content, 1)"
            " ON CONFLICT (source, path) DO NOTHING",
            values,
        ).rowcount
        if not stored:
            raise SamovarError(FailureCode.BAD_REQUEST, "A source has two documents of the same path.")

    def _chunks(self, db: Database, chunks: ImportedChunks) -> None:
        assert self._content is not None, "a document with a content comes first"
        ids = add_chunks(db, *self._content, chunks.chunks, ordinal=self._ordinal)
        add_words(db, ids)
        self._ordinal += len(ids)
        rows = [(id_, vector) for id_, vector in zip(ids, chunks.vectors, strict=True) if vector is not None]
        if rows:
            assert self.collection.model is not None, "vectors are of a model"
            model = model_id(db, self.collection.model, len(rows[0][1]) // 4)
            db.conn.executemany(
                "INSERT INTO chunk_vectors (chunk, model, vector, sha256)"
                " SELECT id, ?, ?, sha256 FROM chunks WHERE id = ?",
                [(model, vector, id_) for id_, vector in rows],
            )


def _numbered(name: str, number: int) -> str:
    suffix = f" {number}"
    return name[: _LONGEST_NAME - len(suffix)] + suffix
