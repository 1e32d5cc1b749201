"""One collection, as it was at one moment."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from samovar_agent.store.exports import ExportCounts, Snapshot
from samovar_agent.store.store import Store
from tests.samovar_agent.store.documents_made import folder, indexed, queued, vector_of


async def test_all_of_a_collection_and_nothing_else(store: Store) -> None:
    source, other = await folder(store), await folder(store, "others", "/others")
    await indexed(store, other, "/others/a", ["not this"])
    tea = await indexed(store, source, "/papers/a", ["green tea", "black tea"], title="Tea", heading="Kinds")
    await indexed(store, source, "/papers/b", ["coffee"])
    await indexed(store, source, "/papers/c", ["green tea", "black tea"], title="Tea")
    await queued(store, source, "/papers/d")
    chunks = await store.chunks.of_content(tea.content or 0)
    await store.vectors.put_vectors("m", [(chunks[0].id, vector_of(1))])

    async def look(model: str | None) -> Any:
        return await store.exports.read(
            source.collection,
            model,
            lambda snapshot: (
                snapshot.counts(),
                [row.path for row in snapshot.sources()],
                [(row.path, row.content) for row in snapshot.documents()],
                snapshot.content(tea.content or 0),
                list(snapshot.chunks(tea.content or 0)),
            ),
        )

    counts, sources, documents, (content, size), passages = await look("m")
    assert counts == ExportCounts(sources=1, documents=4, chunks=3, vectors=1, dimensions=4)
    assert sources == ["/papers"]
    assert [path for path, _ in documents] == ["/papers/d", "/papers/a", "/papers/c", "/papers/b"], "same ones together"
    assert (content.title, size) == ("Tea", 2)
    assert [(one.chunk.text, one.chunk.heading, one.vector) for one in passages] == [
        ("green tea", "Kinds", vector_of(1)),
        ("black tea", "Kinds", None),
    ]
    counts, *_ = await look(None)
    assert (counts.vectors, counts.dimensions) == (0, 0)


async def test_what_is_committed_meanwhile_is_not_in_it(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["green tea"])
    begun, written = threading.Event(), threading.Event()

    def look(snapshot: Snapshot) -> tuple[int, int]:
        before = snapshot.counts().documents
        begun.set()
        assert written.wait(60)
        return before, len(list(snapshot.documents()))

    reading = asyncio.create_task(store.exports.read(source.collection, None, look))
    assert await asyncio.to_thread(begun.wait, 60)
    await indexed(store, source, "/papers/b", ["black tea"])
    written.set()
    assert await reading == (1, 1)
