"""Collections to export, and what is the same of two."""

from __future__ import annotations

import hashlib
import math
import random
import struct
from typing import Any

import msgspec

from samovar_agent.documents.extracted import Problem
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow, NewDocument
from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store

MODEL, DIMENSIONS = "acme/embedder@Q8_0", 8


def vector_of(seed: int) -> bytes:
    """A direction."""
    chance = random.Random(seed)
    values = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = math.sqrt(sum(value * value for value in values))
    return struct.pack(f"<{DIMENSIONS}f", *(value / length for value in values))


def chunks_of(texts: list[str], heading: str = "", page: int | None = None) -> list[NewChunk]:
    found, start = [], 0
    for text in texts:
        found.append(
            NewChunk(text=text, start=start, end=start + len(text), tokens=len(text), heading=heading, page=page)
        )
        start += len(text) + 2
    return found


async def add(
    store: Store,
    source: SourceRow,
    path: str | None,
    chunks: list[NewChunk],
    *,
    title: str = "A title",
    embed: bool = True,
    content: bytes | None = None,
) -> DocumentRow:
    """A document that was read, with vectors."""
    new = NewDocument(
        collection=source.collection, source=source.id, path=path, name=(path or "pasted")[-20:], size=7, mtime=1.5
    )
    [id_] = await store.documents.add([new])
    [taken] = [row for row in await store.documents.take(1000) if row.id == id_]
    said = repr([(chunk.heading, chunk.text) for chunk in chunks]).encode() if content is None else content
    read = msgspec.structs.replace(
        taken, sha256=hashlib.sha256(said).hexdigest(), title=title, media_type="text/plain", pages=3
    )
    stored = await store.documents.put_document(read, chunks, recipe="bert:256:v1")
    assert stored is not None
    if embed:
        await store.vectors.put_vectors(MODEL, [(chunk, vector_of(chunk)) for chunk in stored.added])
    [row] = await store.documents.get([id_])
    return row


async def papers(store: Store, many: int = 0) -> CollectionRow:
    """A collection with everything that there can be. - many: more documents of one passage."""
    collection = await store.collections.create("papers", model=MODEL, settings={"chunk_tokens": 256, "x": ["y"]})
    folder = await store.sources.add(collection.id, "folder", "/home/me/papers", excludes=["*.tmp"], watch=True)
    await store.sources.set_own_disk(folder.id, True)
    file = await store.sources.add(collection.id, "file", "/home/me/one.pdf")
    pasted = await store.sources.add(collection.id, "text")
    tea = chunks_of(["Green tea is not roasted.", "Wasser, das nicht mehr kocht: 75°."], "Tea › Green", 2)
    await add(store, folder, "/home/me/papers/tea.md", tea, title="On tea")
    await add(store, folder, "/home/me/papers/copy of tea.md", tea, title="On tea")
    await add(store, file, "/home/me/one.pdf", chunks_of([f"Passage {number}" for number in range(600)]))
    await add(
        store, pasted, None, chunks_of(["Pasted words", "with \ud800 halves".replace("\ud800", "?")]), embed=False
    )
    await add(store, pasted, None, [])
    for number in range(many):
        await add(store, folder, f"/home/me/papers/more/{number}", chunks_of([f"number{number} {'word ' * 20}"]))
    bad = NewDocument(
        collection=collection.id,
        source=folder.id,
        path="/home/me/papers/two\nlines",
        name="two\nlines",
        size=1,
        mtime=-2,
    )
    await store.documents.add([bad])
    [taken] = await store.documents.take(1)
    problem = Problem(reason="encrypted", message="A password is needed.", hint="Save it without one.")
    await store.documents.fail(taken, msgspec.json.encode(problem).decode())
    return await store.collections.get(collection.id)


async def dump(store: Store, collection: CollectionRow) -> dict[str, Any]:
    """All that a collection says, without ids."""
    sources = {row.id: row for row in await store.sources.ls(collection.id)}
    places = {id_: number for number, id_ in enumerate(sorted(sources))}
    documents = []
    for row in await store.documents.ls(collection=collection.id, limit=100_000):
        said = []
        if row.content is not None:
            chunks = await store.chunks.of_content(row.content)
            vectors = await store.vectors.get(MODEL, [chunk.id for chunk in chunks])
            said = [
                (c.ordinal, c.page, c.start, c.end, c.tokens, c.title, c.heading, c.text, vectors.get(c.id))
                for c in chunks
            ]
        columns = msgspec.structs.asdict(row)
        for name in ("id", "collection", "content", "revision"):
            del columns[name]
        documents.append({**columns, "source": places[row.source], "says": said})
    return {
        "model": collection.model,
        "words_only": collection.words_only,
        "settings": collection.settings,
        "sources": [(row.kind, row.path, row.excludes, row.own_disk) for _, row in sorted(sources.items())],
        "documents": sorted(documents, key=lambda document: (document["path"] or "", document["says"])),
    }


async def nothing_left(store: Store) -> None:
    """Of an import that did not end."""
    for table in ("collections", "sources", "documents", "contents", "chunks", "chunk_texts", "chunk_vectors"):
        count = await store.run(
            lambda db, table=table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[misc]
        )
        assert count == 0, table
