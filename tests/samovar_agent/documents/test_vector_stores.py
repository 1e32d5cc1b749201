"""Changes to vector stores: one after the other, and wholly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from samovar_agent.documents.service import DocumentService
from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.http.fake_documents import FakeDocuments


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "samovar.db")
    yield store
    await store.close()


@pytest.fixture
def files(store: Store, tmp_path: Path) -> UploadedFiles:
    return UploadedFiles(store, tmp_path / "files")


@pytest.fixture
def documents(store: Store) -> FakeDocuments:
    return FakeDocuments(store)


@pytest.fixture
def stores(store: Store, documents: FakeDocuments, files: UploadedFiles) -> VectorStores:
    return VectorStores(store, cast(DocumentService, documents), files)


async def upload(files: UploadedFiles, text: str) -> int:
    async with files.incoming(f"{text}.txt") as incoming:
        await incoming.write(text.encode())
        return (await incoming.keep("assistants")).id


async def test_many_of_one_name_at_once(stores: VectorStores) -> None:
    rows = await asyncio.gather(*(stores.create("notes") for _ in range(10)))
    assert {row.name for row in rows} == {"notes"}
    assert len({row.collection for row in rows}) == 10


async def test_a_file_is_not_deleted_while_it_is_attached(
    stores: VectorStores, store: Store, documents: FakeDocuments, files: UploadedFiles
) -> None:
    file = await upload(files, "tea")
    row = await stores.create("notes")
    documents.hold = asyncio.Event()
    attaching = asyncio.create_task(stores.attach(row.id, {file: {}}))
    deleting = asyncio.create_task(stores.delete_file(file))
    async with asyncio.timeout(10):
        while len(documents.asked) < 2:
            await asyncio.sleep(0.005)
    assert not deleting.done()
    documents.hold.set()
    await asyncio.gather(attaching, deleting)
    assert await store.documents.ls() == [] and await store.attachments.all(row.id) == []


async def test_who_leaves_does_not_leave_half_of_it(
    stores: VectorStores, store: Store, documents: FakeDocuments, files: UploadedFiles
) -> None:
    file = await upload(files, "tea")
    row = await stores.create("notes")
    documents.hold = asyncio.Event()
    attaching = asyncio.create_task(stores.attach(row.id, {file: {"a": 1}}))
    async with asyncio.timeout(10):
        while len(documents.asked) < 2:
            await asyncio.sleep(0.005)
    attaching.cancel()
    await asyncio.gather(attaching, return_exceptions=True)
    documents.hold.set()
    await stores.change(row.id, name=None, metadata={})  # comes after it
    assert [found.file for found in await store.attachments.all(row.id)] == [file]


async def test_a_file_that_became_no_document(
    stores: VectorStores, store: Store, documents: FakeDocuments, files: UploadedFiles
) -> None:
    file = await upload(files, "tea")
    row = await stores.create("notes")
    real = documents.add

    async def add(*arguments: Any, **options: Any) -> Any:
        reply = await real(*arguments, **options)
        return type(reply)(collection=reply.collection, added=0, problems={"/x": "It is gone."})

    documents.add = add  # type: ignore[method-assign]
    with pytest.raises(SamovarError, match=r"tea\.txt.*It is gone") as error:
        await stores.attach_batch(row.id, {file: {}})
    assert error.value.code == FailureCode.INTERNAL
    assert await store.attachments.find_batch(1) is None


async def test_removing_what_somebody_else_has_removed(
    stores: VectorStores, store: Store, documents: FakeDocuments, files: UploadedFiles
) -> None:
    file = await upload(files, "tea")
    row = await stores.create("notes", files={file: {}})
    attached = await store.attachments.find(row.id, file)
    assert attached is not None
    documents.error = SamovarError(FailureCode.NOT_FOUND, "It is gone.")
    await stores.detach(attached)
    assert await store.attachments.all(row.id) == []
