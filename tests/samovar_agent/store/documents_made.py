"""Collections, documents and chunks for the tests of this folder."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import msgspec

from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow, NewDocument
from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store


def chunks_of(texts: Sequence[str], heading: str = "") -> list[NewChunk]:
    """Chunks with a character of white space between one and the next."""
    chunks: list[NewChunk] = []
    start = 0
    for text in texts:
        chunks.append(
            NewChunk(text=text, start=start, end=start + len(text), tokens=len(text.split()), heading=heading)
        )
        start += len(text) + 1
    return chunks


def digest_of(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def vector_of(number: float) -> bytes:
    return struct.pack("<4f", number, 0, 0, 0)


async def folder(store: Store, name: str = "papers", path: str = "/papers") -> SourceRow:
    """A collection with one folder."""
    collection = await store.collections.create(name)
    return await store.sources.add(collection.id, "folder", path)


async def queued(store: Store, source: SourceRow, path: str, mtime: float = 1.5) -> int:
    """A document that waits to be read."""
    name = path.rpartition("/")[2]
    new = NewDocument(collection=source.collection, source=source.id, path=path, name=name, size=1, mtime=mtime)
    [id_] = await store.documents.add([new])
    return id_


async def indexed(
    store: Store,
    source: SourceRow,
    path: str,
    texts: Sequence[str],
    *,
    title: str = "",
    heading: str = "",
    media_type: str = "text/plain",
    mtime: float = 1.5,
) -> DocumentRow:
    """A document of the folder that was read and says these texts, a chunk each."""
    id_ = await queued(store, source, path, mtime)
    [taken] = await store.documents.take(1)
    assert taken.id == id_
    read = msgspec.structs.replace(taken, sha256=digest_of(texts), title=title, media_type=media_type)
    assert await store.documents.put_document(read, chunks_of(texts, heading)) is not None
    [row] = await store.documents.get([id_])
    return row


async def sound(store: Store) -> None:
    """Nothing is wrong with the file, its index of words, or what points to what."""
    await store.chunks.check_words()
    found = await store.run(lambda db: [row[0] for row in db.execute("PRAGMA integrity_check")])
    assert found == ["ok"]
    assert await store.run(lambda db: db.execute("PRAGMA foreign_key_check").fetchall()) == []
    for table, column in (("chunk_texts", "chunk"), ("chunk_words_docsize", "id")):
        counts = await store.run(
            lambda db, table=table, column=column: db.execute(  # type: ignore[misc]
                f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM chunks),"
                f" (SELECT count(*) FROM chunks JOIN {table} ON {table}.{column} = chunks.id)"
            ).fetchone()
        )
        assert counts[0] == counts[1] == counts[2], table
