"""Files in collections: their status follows the document, and they go with whatever goes."""

from __future__ import annotations

import msgspec

from samovar_agent.store.attachments import Attributes, NewAttachment
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.portions import Portion
from samovar_agent.store.store import Store
from samovar_agent.store.vectors import Awaited
from tests.samovar_agent.store.documents_made import chunks_of, digest_of, vector_of


async def attach(
    store: Store, *names: str, collection: str = "tea", batch: bool = False
) -> tuple[int, list[int], list[int]]:
    """The ids of a new collection, of files and of their documents."""
    row = await store.collections.create(collection)
    source = await store.sources.add(row.id, "folder", "/files")
    files = [(await store.files.add(name, "assistants", len(name), "ab", lambda id_: None)).id for name in names]
    documents = await store.documents.add(
        [NewDocument(collection=row.id, source=source.id, name=n, size=1, mtime=0, path=f"/files/{n}") for n in names]
    )
    new = [NewAttachment(file, document, {"n": file}) for file, document in zip(files, documents, strict=True)]
    await store.attachments.put(row.id, new, await store.attachments.create_batch(row.id) if batch else None)
    return row.id, files, documents


async def statuses(store: Store, collection: int) -> dict[str, str]:
    return {row.name: row.status for row in await store.attachments.all(collection)}


async def test_the_status_follows_the_document(store: Store) -> None:
    collection, files, documents = await attach(store, "a", "b", "c")
    assert await statuses(store, collection) == {"a": "in_progress", "b": "in_progress", "c": "in_progress"}
    [taken] = await store.documents.take(1)
    assert (await statuses(store, collection))["a"] == "in_progress"
    await store.documents.fail(taken, '{"reason": "damaged"}')
    row = await store.attachments.find(collection, files[0])
    assert row is not None
    assert (row.status, row.problem, row.size, row.attributes) == ("failed", '{"reason": "damaged"}', 1, {"n": 1})
    rows = await store.attachments.all(collection)
    await store.attachments.mark_cancelled([rows[1].id])
    await store.documents.delete([documents[1]])
    assert await statuses(store, collection) == {"a": "failed", "b": "cancelled", "c": "in_progress"}
    for status, expected in (("failed", ["a"]), ("cancelled", ["b"]), ("in_progress", ["c"]), ("completed", [])):
        found, _ = await store.attachments.ls(collection, Portion(), status=status)  # type: ignore[arg-type]
        assert [row.name for row in found] == expected
    assert (await store.vector_stores.get(collection)).counts == {"failed": 1, "cancelled": 1, "in_progress": 1}


async def test_what_is_completed_has_its_vectors_where_these_are_on_their_way(store: Store) -> None:
    collection, _, _ = await attach(store, "a", "b", batch=True)
    for taken in await store.documents.take(2):
        read = msgspec.structs.replace(taken, sha256=digest_of([taken.name]), media_type="text/plain", title="")
        chunks = chunks_of([f"{taken.name} one", f"{taken.name} two"])
        await store.documents.put_documents([(read, chunks)], recipe="x")
    ids = [found.chunk for found in await store.vectors.without("small", collection)]
    assert len(ids) == 4

    async def seen() -> tuple[dict[str, str], bool, dict[str, int]]:
        batch = await store.attachments.find_batch(1)
        row = await store.vector_stores.get(collection)
        assert batch is not None
        assert batch.counts == row.counts
        return await statuses(store, collection), row.busy, {str(status): count for status, count in row.counts.items()}

    ready = ({"a": "completed", "b": "completed"}, False, {"completed": 2})
    store.vectors.awaited = Awaited(going_on=True)
    assert await seen() == ready, "it is searched by words"
    await store.collections.set_models(collection, model="small")
    assert (await seen())[0] == {"a": "in_progress", "b": "in_progress"}
    await store.vectors.put_vectors("small", [(id_, vector_of(1)) for id_ in ids[:3]])
    assert await seen() == ({"a": "completed", "b": "in_progress"}, True, {"completed": 1, "in_progress": 1})
    rows, _ = await store.attachments.ls(collection, Portion(), status="in_progress")
    assert [row.name for row in rows] == ["b"]
    for none_come in (Awaited(going_on=True, without=frozenset({"small"})), Awaited(going_on=False)):
        store.vectors.awaited = none_come
        assert await seen() == ready
    store.vectors.awaited = Awaited(going_on=True, without=frozenset({"other"}))
    assert (await seen())[1]
    await store.vectors.put_vectors("small", [(ids[3], vector_of(1))])
    assert await seen() == ready


async def test_a_file_attached_again_keeps_its_place(store: Store) -> None:
    collection, files, documents = await attach(store, "a", "b")
    await store.attachments.put(collection, [NewAttachment(files[0], documents[1], {"new": True})], None)
    rows = await store.attachments.all(collection)
    assert [(row.file, row.document, row.attributes) for row in rows] == [
        (files[0], documents[1], {"new": True}),
        (files[1], documents[1], {"n": files[1]}),
    ]


async def test_nothing_is_attached_of_what_is_gone(store: Store) -> None:
    collection, files, documents = await attach(store, "a")
    await store.attachments.delete(collection, files[0])
    await store.attachments.put(
        collection, [NewAttachment(files[0], 99, {}), NewAttachment(99, documents[0], {})], None
    )
    assert await store.attachments.all(collection) == []


async def test_they_go_with_the_document_the_file_and_the_collection(store: Store) -> None:
    first, files, documents = await attach(store, "a", "b", "c")
    await store.documents.delete([documents[0]])
    assert list(await statuses(store, first)) == ["b", "c"]
    await store.files.delete(files[1])
    assert list(await statuses(store, first)) == ["c"]
    assert [row.collection for row in await store.attachments.of_file(files[2])] == [first]
    await store.vector_stores.put(first, name="x", called="tea", description=None, metadata={})
    await store.collections.delete(first)
    assert await store.attachments.of_file(files[2]) == []
    counted = await store.read(lambda db: db.execute("SELECT count(*) FROM vector_stores").fetchone()[0])
    assert counted == 0


async def test_from_documents_to_files(store: Store) -> None:
    _, files, documents = await attach(store, "a", "b")
    found = await store.attachments.of_documents([*documents, 99])
    assert {document: row.file for document, row in found.items()} == dict(zip(documents, files, strict=True))


async def test_attributes(store: Store) -> None:
    collection, files, _ = await attach(store, "a")
    attributes: Attributes = {"text": "ü", "whole": 2**53, "part": 0.5, "yes": True}
    await store.attachments.set_attributes(collection, files[0], attributes)
    row = await store.attachments.find(collection, files[0])
    assert row is not None and row.attributes == attributes
    assert [type(value) for value in row.attributes.values()] == [str, int, float, bool]


async def test_batches(store: Store) -> None:
    collection, files, _ = await attach(store, "a", "b", batch=True)
    batch = await store.attachments.find_batch(1)
    assert batch is not None
    assert (batch.collection, batch.cancelled, batch.counts) == (collection, False, {"in_progress": 2})
    rows, more = await store.attachments.ls(collection, Portion(limit=1), batch=1)
    assert ([row.file for row in rows], more) == ([files[1]], True)
    assert await store.attachments.ls(collection, Portion(), batch=2) == ([], False)
    await store.attachments.cancel_batch(1)
    batch = await store.attachments.find_batch(1)
    assert batch is not None and batch.cancelled
    await store.attachments.delete_batch(1)
    assert await store.attachments.find_batch(1) is None
    assert [row.batch for row in await store.attachments.all(collection)] == [None, None]
