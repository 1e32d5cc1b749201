from samovar_agent.documents.scope import why_nothing
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.filters import EVERY_DOCUMENT
from samovar_protocol.documents import DocumentFilter
from tests.samovar_agent.documents.bench import Bench


async def test_why_there_is_nothing_to_look_at(documents_bench: Bench) -> None:
    store = documents_bench.store
    assert "docs add" in await why_nothing(store, None, EVERY_DOCUMENT)
    row = await store.collections.create("notes")
    other = await store.collections.create("other")
    assert "docs add" in await why_nothing(store, [row.id], EVERY_DOCUMENT)
    await documents_bench.document(other.id, "tea.md", ["Tea is hot."])
    source = await store.sources.add(row.id, "folder", "/papers")
    new = NewDocument(collection=row.id, source=source.id, path="/papers/a", name="a", size=1, mtime=1.5)
    await store.documents.add([new])
    assert "still to be read" in await why_nothing(store, [row.id], EVERY_DOCUMENT)
    assert "still to be read" in await why_nothing(store, [row.id], DocumentFilter(since=1.0))
    [taken] = await store.documents.take(1)
    assert "still to be read" in await why_nothing(store, [row.id], EVERY_DOCUMENT)
    await store.documents.fail(taken, '{"reason": "damaged", "message": "x"}')
    assert "--failed" in await why_nothing(store, [row.id], EVERY_DOCUMENT)
    assert await why_nothing(store, None, EVERY_DOCUMENT) == ""
    assert await why_nothing(store, [row.id, other.id], EVERY_DOCUMENT) == ""
    assert "filter" in await why_nothing(store, [other.id], DocumentFilter(path_prefix="/nowhere"))
