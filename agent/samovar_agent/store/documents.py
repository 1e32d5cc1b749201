"""Documents: the files and pasted texts of collections, and how far reading them has come.

    [document] = await store.documents.take(1)              # queued, now indexing
    stored = await store.documents.put_document(document, chunks)

What one document's indexing writes is one transaction: a killed agent leaves the old version or the new one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from samovar_agent.store.columns import SEEN, path_column, path_value, slices, text_column
from samovar_agent.store.contents import (
    Content,
    NewChunk,
    add_content,
    add_words,
    find_content,
    remove_unused,
)
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter, Values, condition
from samovar_protocol.documents import DocumentState

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

_SWEPT_CHUNKS = 2000
"""Chunks that go in one transaction; others wait for the writer meanwhile, a tenth of a second or so."""


class NewDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was found, or text that was pasted.

    - path: absolute; None for pasted text. - name: for people. - size: bytes. - mtime: Unix seconds.
    - sha256: hexadecimal; None where nobody has read it yet. - title: the name until the text says another.
    """

    collection: int
    source: int
    name: str
    size: int
    mtime: float
    path: str | None = None
    sha256: str | None = None
    media_type: str = ""
    title: str = ""
    pages: int | None = None


class DocumentRow(NewDocument, frozen=True, kw_only=True):
    """A document.

    - state: "indexing" while somebody reads it; its old version is searched until that is done.
    - problem: JSON; why it failed, or what is missing of it. - indexed_at: Unix seconds; None before the first time.
    - content: equal for documents of one text; None where nothing is stored of it yet.
    - revision: counts the versions of the file.
    """

    id: int
    state: DocumentState
    revision: int
    problem: str | None = None
    indexed_at: float | None = None
    content: int | None = None


class KnownFile(NamedTuple):
    """A file of a source as it was when it was queued last. - sha256: None where it was not read yet."""

    id: int
    path: str
    size: int
    mtime: float
    sha256: str | None


class Stored(NamedTuple):
    """What became of chunks. - added: new ones, in order; none where the text was known. - gone: those removed.

    - embedded: of the new ones those that have vectors already, which other chunks had.
    """

    added: list[int]
    gone: list[int]
    embedded: Sequence[int] = ()


class Documents:
    """The table `documents`, and what belongs to it in `contents` and `chunks`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, documents: Sequence[NewDocument]) -> list[int]:
        """New rows in the state "queued"; returns their ids. One whose source has its path already is queued anew."""

        def insert(db: Database) -> tuple[list[int], bool]:
            newest = int(db.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0])
            ids = [_add(db, document) for document in documents]
            return ids, any(id_ <= newest for id_ in ids)

        ids, _ = await self._store.run(insert, rearranges=lambda added: added[1])
        return ids

    async def queue(self, id_: int, *, size: int, mtime: float, sha256: str | None = None) -> None:
        """Have it read anew, since the file has changed; whoever reads the old version stores nothing any more."""
        await self._store.run(
            lambda db: db.execute(
                "UPDATE documents SET state = 'queued', size = ?, mtime = ?, sha256 = ?, revision = revision + 1"
                " WHERE id = ?",
                [size, mtime, sha256, id_],
            )
        )

    async def take(self, limit: int) -> list[DocumentRow]:
        """So many queued documents, the oldest first, in the state "indexing" from now on."""

        def begin(db: Database) -> list[DocumentRow]:
            rows = list(db.query("SELECT * FROM documents WHERE state = 'queued' ORDER BY id LIMIT ?", [limit]))
            for marks, ids in slices([row["id"] for row in rows]):
                db.execute(f"UPDATE documents SET state = 'indexing' WHERE id IN ({marks})", ids)  # noqa: S608
            return [_row({**row, "state": "indexing"}) for row in rows]

        return await self._store.run(begin, rearranges=lambda _: False)

    async def known_contents(self, digests: Collection[str]) -> set[tuple[str, str]]:
        """Which of these files are stored already: their digests, each with the recipe that they were cut by."""

        def find(db: Database) -> set[tuple[str, str]]:
            found: set[tuple[str, str]] = set()
            for marks, some in slices(list(digests)):
                question = f"SELECT sha256, recipe FROM contents WHERE sha256 IN ({marks})"  # noqa: S608
                found.update((row[0], row[1]) for row in db.execute(question, some))
            return found

        return await self._store.read(find)

    async def share(self, document: DocumentRow, recipe: str = "") -> Stored | None:
        """Give it the content of a file with the same `sha256` that is stored already; None where there is none.

        Also None where the document is gone or was queued anew.
        """
        assert document.sha256 is not None, "read before it is compared"
        sha256 = document.sha256

        def attach(db: Database) -> Stored | None:
            if not _is_current(db, document) or (known := find_content(db, sha256, recipe)) is None:
                return None
            id_, content = known
            shared = msgspec.structs.replace(
                document, title=content.title, media_type=content.media_type, pages=content.pages
            )
            return Stored([], _finish(db, shared, id_))

        return await self._store.run(attach)

    async def put_document(
        self, document: DocumentRow, chunks: Sequence[NewChunk], *, recipe: str = ""
    ) -> Stored | None:
        """Store what was read, instead of what was there: the document is "ready", with its `problem` if it has one.

        - document: as `take` gave it, with what reading it has told: sha256, title, media type, pages.
        - recipe: what cut it into chunks; of the same file and recipe one content is stored, the first.
        None, and nothing stored, where the document is gone or was queued anew meanwhile. Raises `disk_full`.
        """
        [stored] = await self.put_documents([(document, chunks)], recipe=recipe)
        return stored

    async def put_documents(
        self, documents: Sequence[tuple[DocumentRow, Sequence[NewChunk]]], *, recipe: str = ""
    ) -> list[Stored | None]:
        """`put_document` for several in one transaction; for small files that is many times faster."""
        fresh = all(document.content is None for document, _ in documents)
        stored = await self._store.run(
            lambda db: _put_all(db, documents, recipe),
            rearranges=lambda stored: not fresh or any(one is not None and not one.added for one in stored),
        )
        self._store.much_was_written()
        return stored

    async def put_text(
        self, document: NewDocument, chunks: Sequence[NewChunk], *, recipe: str = ""
    ) -> tuple[int, Stored]:
        """Store a text that was pasted, which is read already, as a source of its own; returns its id.

        - document: with sha256, title and media type; its `source` does not matter. Raises `disk_full`.
        """

        def insert(db: Database) -> tuple[int, Stored]:
            source = db.execute(
                "INSERT INTO sources (collection, kind, path, excludes, watch, state)"
                " VALUES (?, 'text', NULL, '[]', 0, 'present')",
                [document.collection],
            ).lastrowid
            assert source is not None
            id_ = _add(db, msgspec.structs.replace(document, source=source))
            [row] = db.query("SELECT * FROM documents WHERE id = ?", [id_])
            [stored] = _put_all(db, [(_row(row), chunks)], recipe)
            assert stored is not None, "nobody else knows of it yet"
            return id_, stored

        return await self._store.run(insert)

    async def touch(self, files: Sequence[tuple[int, int, float]]) -> None:
        """These documents say what they said, but their files have another size or time: (id, bytes, Unix seconds)."""

        def update(db: Database) -> None:
            for id_, size, mtime in files:
                db.execute("UPDATE documents SET size = ?, mtime = ? WHERE id = ?", [size, mtime, id_])

        await self._store.run(update)

    async def retry(self, collection: int | None, ids: Sequence[int]) -> int:
        """Queue again what failed; how many. - collection: None for all. - ids: only these; empty for all.

        Not from sources that are paused: an imported one names files of another machine.
        """

        def update(db: Database) -> int:
            return db.execute(
                "UPDATE documents SET state = 'queued', revision = revision + 1 WHERE state = 'failed'"
                " AND path IS NOT NULL AND source NOT IN (SELECT id FROM sources WHERE state = 'paused')"
                " AND (:collection IS NULL OR collection = :collection)"
                " AND (:all OR id IN (SELECT value FROM json_each(:ids)))",
                {"collection": collection, "all": not ids, "ids": msgspec.json.encode(list(ids)).decode()},
            ).rowcount

        return await self._store.run(update)

    async def known(self, source: int, below: Sequence[str] = ()) -> list[KnownFile]:
        """The files of a source. - below: only those at and below these paths; empty for all."""
        columns = "SELECT id, path, size, mtime, sha256 FROM documents WHERE source = :source AND path IS NOT NULL"

        def find(db: Database) -> list[KnownFile]:
            rows: dict[int, KnownFile] = {}
            for path in below or ("",):
                where, values = f"{columns} ORDER BY id", Values(source=source)
                if path:
                    where = f"{columns} AND (path = :path OR (path >= :inside AND path < :after))"
                    ends = {"path": path, "inside": path + os.sep, "after": path + chr(ord(os.sep) + 1)}
                    values |= {name: os.fsencode(end) for name, end in ends.items()}
                for row in db.execute(where, values):
                    rows[row[0]] = KnownFile(row[0], os.fsdecode(row[1]), *row[2:])
            return list(rows.values())

        return await self._store.read(find)

    async def extent(
        self, collections: Sequence[int] | None, filters: DocumentFilter, most: int
    ) -> tuple[list[int], int]:
        """Which documents there are, by id, `most` and one more at most; and how many characters these have."""
        where, values = condition(collections, filters)

        def measure(db: Database) -> tuple[list[int], int]:
            rows = db.execute(
                'SELECT documents.id, (SELECT coalesce(max("end"), 0) FROM chunks WHERE content = documents.content)'  # noqa: S608
                f" FROM documents WHERE {where} ORDER BY documents.id LIMIT :most",
                {**values, "most": most + 1},
            ).fetchall()
            return [row[0] for row in rows], sum(row[1] for row in rows)

        return await self._store.read(measure)

    async def fail(self, document: DocumentRow, problem: str) -> None:
        """Say why it cannot be read; what is stored of an older version stays. - problem: JSON."""
        await self._store.run(
            lambda db: db.execute(
                "UPDATE documents SET state = 'failed', problem = ? WHERE id = ? AND revision = ?",
                [text_column(problem), document.id, document.revision],
            ),
            rearranges=lambda _: False,
        )

    async def move(self, id_: int, path: str, name: str) -> None:
        """The file has another path now; what it says is untouched. A document that had that path is removed."""
        column = path_column(path)

        def update(db: Database) -> None:
            same = db.execute(
                "SELECT other.id FROM documents AS moved JOIN documents AS other"
                " ON other.source = moved.source AND other.path = ? AND other.id != moved.id WHERE moved.id = ?",
                [column, id_],
            ).fetchone()
            if same:
                db.execute("DELETE FROM documents WHERE id = ?", [same[0]])
            db.execute("UPDATE documents SET path = ?, name = ? WHERE id = ?", [column, text_column(name), id_])

        await self._store.run(update)

    async def delete(self, ids: Sequence[int]) -> list[int]:
        """Remove documents; returns the ids of the chunks that went with them."""

        def remove(db: Database) -> list[int]:
            contents: set[int] = set()
            for marks, some in slices(ids):
                found = db.execute(f"SELECT content FROM documents WHERE id IN ({marks})", some)  # noqa: S608
                contents.update(row[0] for row in found if row[0] is not None)
                db.execute(f"DELETE FROM documents WHERE id IN ({marks})", some)  # noqa: S608
            return [chunk for content in sorted(contents) for chunk in remove_unused(db, content)]

        return await self._store.run(remove)

    async def sweep(self) -> list[int]:
        """Remove some of what no document says any more; returns the ids of the chunks, none when all is done.

        To be called until then after a collection or source was deleted, and after a start.
        """

        def remove(db: Database) -> list[int]:
            gone: list[int] = []
            while len(gone) < _SWEPT_CHUNKS:
                unused = db.execute(
                    "SELECT id FROM contents WHERE NOT EXISTS"
                    " (SELECT 1 FROM documents WHERE documents.content = contents.id) LIMIT 100"
                ).fetchall()
                if not unused:
                    break
                for row in unused:
                    gone += remove_unused(db, row[0])
            return gone

        return await self._store.run(remove)

    async def get(self, ids: Sequence[int]) -> list[DocumentRow]:
        """These documents, by id; those that are gone are left out."""

        def find(db: Database) -> list[DocumentRow]:
            rows: list[DocumentRow] = []
            for marks, some in slices(sorted(set(ids))):
                question = f"SELECT * FROM documents WHERE id IN ({marks}) ORDER BY id"  # noqa: S608
                rows += [_row(row) for row in db.query(question, some)]
            return rows

        return await self._store.read(find)

    async def ls(
        self,
        *,
        collection: int | None = None,
        source: int | None = None,
        state: DocumentState | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[DocumentRow]:
        """Documents by id. - after: the last id of the portion before. - limit: of this portion."""
        wanted: dict[str, str | int | None] = {"collection": collection, "source": source, "state": state}
        asked = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(["id > :after", *(f"{name} = :{name}" for name in asked)])
        if collection is None and source is None:
            where += f" AND {SEEN}"
        question = f"SELECT * FROM documents WHERE {where} ORDER BY id LIMIT :limit"  # noqa: S608 - texts of ours
        values = {**asked, "after": after, "limit": limit}
        return await self._store.read(lambda db: [_row(row) for row in db.query(question, values)])

    async def find(self, source: int, path: str) -> DocumentRow | None:
        """The document of a source that has this path, or None."""
        values = [source, path_column(path)]
        question = "SELECT * FROM documents WHERE source = ? AND path = ?"
        return await self._store.read(lambda db: next((_row(row) for row in db.query(question, values)), None))

    async def of_chunks(
        self, chunks: Sequence[int], collections: Sequence[int] | None = None, filters: DocumentFilter = EVERY_DOCUMENT
    ) -> dict[int, DocumentRow]:
        """For each chunk the document that it is of; where several have the same text, the first that fits.

        - collections: None for all. Chunks that are of no such document are left out.
        """
        where, values = condition(collections, filters)

        def find(db: Database) -> dict[int, DocumentRow]:
            owners: dict[int, int] = {}
            for chunk in chunks:
                row = db.execute(
                    "SELECT min(documents.id) FROM chunks JOIN documents ON documents.content = chunks.content"  # noqa: S608
                    f" WHERE chunks.id = :chunk AND {where}",
                    {**values, "chunk": chunk},
                ).fetchone()
                if row[0] is not None:
                    owners[chunk] = row[0]
            rows: dict[int, DocumentRow] = {}
            for marks, some in slices(sorted(set(owners.values()))):
                question = f"SELECT * FROM documents WHERE id IN ({marks})"  # noqa: S608
                rows.update((row["id"], _row(row)) for row in db.query(question, some))
            return {chunk: rows[owner] for chunk, owner in owners.items()}

        return await self._store.read(find)

    async def counts(self, collection: int | None = None) -> dict[DocumentState, int]:
        """How many documents are in which state; states of none are left out."""
        question = (
            "SELECT state, count(*) FROM documents"  # noqa: S608 - only texts of ours
            f" WHERE (:collection IS NULL AND {SEEN}) OR collection = :collection GROUP BY state"
        )
        rows = await self._store.read(lambda db: db.execute(question, {"collection": collection}).fetchall())
        return {row[0]: row[1] for row in rows}

    async def mark_interrupted(self) -> None:
        """Queue again what an agent that died was reading."""
        await self._store.run(
            lambda db: db.execute("UPDATE documents SET state = 'queued' WHERE state = 'indexing'"),
            rearranges=lambda _: False,
        )


def _add(db: Database, document: NewDocument) -> int:
    values = _columns(document)
    path = values["path"]
    same = db.execute("SELECT id FROM documents WHERE source = ? AND path = ?", [document.source, path]).fetchone()
    if same:
        db.execute(
            "UPDATE documents SET state = 'queued', size = :size, mtime = :mtime, sha256 = :sha256,"
            " revision = revision + 1 WHERE id = :id",
            {"size": document.size, "mtime": document.mtime, "sha256": document.sha256, "id": same[0]},
        )
        return int(same[0])
    cursor = db.execute(
        "INSERT INTO documents (collection, source, path, name, sha256, size, mtime, media_type, title, pages, state,"
        " revision) VALUES (:collection, :source, :path, :name, :sha256, :size, :mtime, :media_type, :title, :pages,"
        " 'queued', 1)",
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _put(db: Database, document: DocumentRow, chunks: Sequence[NewChunk], recipe: str) -> Stored | None:
    [stored] = _put_all(db, [(document, chunks)], recipe)
    return stored


def _put_all(
    db: Database, documents: Sequence[tuple[DocumentRow, Sequence[NewChunk]]], recipe: str
) -> list[Stored | None]:
    unsearched: list[int] = []
    put: set[int] = set()
    stored: list[Stored | None] = []
    for document, chunks in documents:
        if document.id in put:  # its first content goes, and must be whole for that
            add_words(db, unsearched)
            unsearched = []
        put.add(document.id)
        stored.append(_put_one(db, document, chunks, recipe, unsearched))
    add_words(db, unsearched)
    return stored


def _put_one(
    db: Database, document: DocumentRow, chunks: Sequence[NewChunk], recipe: str, unsearched: list[int]
) -> Stored | None:
    """Store a document, but for the words of its chunks, whose ids are added to `unsearched`."""
    assert document.sha256 is not None, "known once it was read"
    if not _is_current(db, document):
        return None
    added: list[int] = []
    embedded: list[int] = []
    if (known := find_content(db, document.sha256, recipe)) is not None:
        content = known[0]
    else:
        title = text_column(document.title)
        says = Content(document.sha256, recipe, title, document.media_type, document.pages)
        content, added, embedded = add_content(db, says, chunks)
        unsearched += added
    return Stored(added, _finish(db, document, content), tuple(embedded))


def _is_current(db: Database, document: DocumentRow) -> bool:
    row = db.execute("SELECT revision FROM documents WHERE id = ?", [document.id]).fetchone()
    return row is not None and row[0] == document.revision


def _finish(db: Database, document: DocumentRow, content: int) -> list[int]:
    """The document is ready with this content; returns the chunks that nobody needs any more."""
    before = db.execute("SELECT content FROM documents WHERE id = ?", [document.id]).fetchone()[0]
    db.execute(
        "UPDATE documents SET state = 'ready', sha256 = :sha256, size = :size, mtime = :mtime,"
        " media_type = :media_type, title = :title, pages = :pages, problem = :problem, content = :content,"
        " indexed_at = :indexed_at WHERE id = :id",
        {**_columns(document), "id": document.id, "content": content, "indexed_at": time.time()},
    )
    return remove_unused(db, before) if before is not None else []


def _columns(document: NewDocument) -> dict[str, Any]:
    values = {
        name: text_column(value) if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(document).items()
        if name != "path"
    }
    return {**values, "path": path_column(document.path)}


def _row(row: dict[str, Any]) -> DocumentRow:
    return msgspec.convert({**row, "path": path_value(row["path"])}, DocumentRow)
