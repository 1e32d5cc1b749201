"""Files in vector stores, one by one and in batches, judged by the official client."""

import asyncio
from typing import Any

import openai
import pytest

from samovar_protocol.requests import DocsRm
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments
from tests.samovar_agent.http.openai.test_vector_stores import PATH, upload


@pytest.fixture
async def store(client: openai.AsyncOpenAI) -> str:
    return (await client.vector_stores.create(name="Drinks")).id


async def test_a_file_in_a_store_from_its_beginning_to_its_end(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    documents.at_once = False
    [id_] = await upload(client, "black tea")
    files = client.vector_stores.files
    file = await files.create(store, file_id=id_, attributes={"year": 2026, "hot": True, "kind": "tea"})
    assert (file.id, file.vector_store_id, file.status, file.usage_bytes) == (id_, store, "in_progress", 9)
    assert (file.attributes, file.last_error) == ({"year": 2026, "hot": True, "kind": "tea"}, None)
    with pytest.raises(openai.NotFoundError, match="in progress"):
        await files.content(id_, vector_store_id=store)
    await documents.read()
    assert (await files.retrieve(id_, vector_store_id=store)).status == "completed"
    assert [content.text async for content in await files.content(id_, vector_store_id=store)] == ["black tea"]
    changed = await files.update(id_, vector_store_id=store, attributes={"year": 2027.5})
    assert changed.attributes == {"year": 2027.5}
    assert (await files.update(id_, vector_store_id=store, attributes=None)).attributes == {}
    deleted = await files.delete(id_, vector_store_id=store)
    assert (deleted.id, deleted.deleted, deleted.object) == (id_, True, "vector_store.file.deleted")
    assert (await documents.store.documents.ls(), await documents.store.sources.ls()) == ([], [])
    assert (await client.files.retrieve(id_)).id == id_
    with pytest.raises(openai.NotFoundError):
        await files.retrieve(id_, vector_store_id=store)


async def test_upload_and_wait(client: openai.AsyncOpenAI, store: str) -> None:
    file = await client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.txt", b"tea"))
    assert (file.status, file.last_error) == ("completed", None)
    batch = await client.vector_stores.file_batches.upload_and_poll(store, files=[("b.txt", b"b"), ("c.txt", b"c")])
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("encrypted", "invalid_file"), ("unsupported", "unsupported_file"), ("crashed", "server_error")],
)
async def test_a_file_that_cannot_be_read_says_why(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str, reason: Any, code: str
) -> None:
    documents.at_once = False
    [id_] = await upload(client, "x")
    await client.vector_stores.files.create(store, file_id=id_)
    await documents.read(problem=reason)
    file = await client.vector_stores.files.retrieve(id_, vector_store_id=store)
    assert file.status == "failed" and file.last_error is not None
    assert (file.last_error.code, file.last_error.message) == (code, "It is broken. Mend it.")
    assert (await client.vector_stores.retrieve(store)).file_counts.failed == 1


async def test_the_list_in_portions_and_by_status(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    ids = await upload(client, *"abcde")
    for id_ in reversed(ids):
        await client.vector_stores.files.create(store, file_id=id_)
    files = client.vector_stores.files
    newest_first = [file.id async for file in files.list(store, limit=2)]
    assert newest_first == ids
    assert [file.id async for file in files.list(store, limit=2, order="asc")] == ids[::-1]
    before = await files.list(store, before=ids[3], limit=2)
    assert ([file.id for file in before.data], before.has_more) == (ids[1:3], True)
    assert [file.id async for file in files.list(store, filter="completed")] == ids
    assert [file.id async for file in files.list(store, filter="failed")] == []
    with pytest.raises(openai.BadRequestError) as error:
        await files.list(store, after="file-99")
    assert error.value.param == "after"


async def test_a_file_attached_again_has_its_new_attributes(client: openai.AsyncOpenAI, store: str) -> None:
    [id_] = await upload(client, "a")
    for number in (1, 2):
        await client.vector_stores.files.create(store, file_id=id_, attributes={"n": number})
    [file] = (await client.vector_stores.files.list(store)).data
    assert file.attributes == {"n": 2}


async def test_a_deleted_file_leaves_all_stores(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    other = await client.vector_stores.create(name="Others")
    ids = await upload(client, "a", "b")
    for id_ in (store, other.id):
        await client.vector_stores.file_batches.create(id_, file_ids=ids)
    await client.files.delete(ids[0])
    for id_ in (store, other.id):
        assert [file.id for file in (await client.vector_stores.files.list(id_)).data] == ids[1:]
    assert [document.name for document in await documents.store.documents.ls()] == ["1.txt", "1.txt"]


async def test_a_document_that_was_removed_elsewhere_is_no_file_any_more(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    [id_] = await upload(client, "a")
    await client.vector_stores.files.create(store, file_id=id_)
    await documents.rm(DocsRm(collection="Drinks", documents=[1]))
    assert (await client.vector_stores.files.list(store)).data == []
    assert (await client.vector_stores.retrieve(store)).file_counts.total == 0


async def test_a_batch(client: openai.AsyncOpenAI, documents: FakeDocuments, store: str) -> None:
    documents.at_once = False
    ids = await upload(client, "a", "b", "c")
    batches = client.vector_stores.file_batches
    batch = await batches.create(store, file_ids=ids[:2], attributes={"n": 1})
    assert (batch.id, batch.status, batch.file_counts.in_progress) == ("vsfb_1", "in_progress", 2)
    await documents.read()
    batch = await batches.retrieve(batch.id, vector_store_id=store)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 2, 2)
    second = await batches.create(store, files=[{"file_id": ids[2], "attributes": {"n": 2}}])
    await documents.read(problem="damaged")
    second = await batches.retrieve(second.id, vector_store_id=store)
    assert (second.status, second.file_counts.failed) == ("failed", 1)
    listed = [(file.id, file.attributes) async for file in batches.list_files(batch.id, vector_store_id=store)]
    assert listed == [(ids[1], {"n": 1}), (ids[0], {"n": 1})]
    assert [file.id async for file in batches.list_files(second.id, vector_store_id=store, filter="failed")] == ids[2:]


async def test_a_cancelled_batch_keeps_what_was_read(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    ids = await upload(client, "a", "b")
    batches = client.vector_stores.file_batches
    first = await batches.create(store, file_ids=ids[:1])
    documents.at_once = False
    batch = await batches.create(store, file_ids=ids[1:])
    cancelled = await batches.cancel(batch.id, vector_store_id=store)
    assert (cancelled.status, cancelled.file_counts.cancelled) == ("cancelled", 1)
    assert [document.name for document in await documents.store.documents.ls()] == ["0.txt"]
    assert (await client.vector_stores.files.retrieve(ids[1], vector_store_id=store)).status == "cancelled"
    after = await batches.cancel(first.id, vector_store_id=store)
    assert (after.file_counts.completed, after.file_counts.cancelled) == (1, 0)
    counts = (await client.vector_stores.retrieve(store)).file_counts
    assert (counts.completed, counts.cancelled, counts.total) == (1, 1, 2)
    await client.vector_stores.files.create(store, file_id=ids[1])
    await documents.read()
    assert (await client.vector_stores.files.retrieve(ids[1], vector_store_id=store)).status == "completed"


async def test_a_batch_of_another_store_is_unknown(client: openai.AsyncOpenAI, store: str) -> None:
    other = await client.vector_stores.create(name="Others")
    batch = await client.vector_stores.file_batches.create(store, file_ids=await upload(client, "a"))
    with pytest.raises(openai.NotFoundError):
        await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=other.id)


async def test_a_client_that_leaves_does_not_leave_half_of_it(
    agent: Agent, client: openai.AsyncOpenAI, documents: FakeDocuments, store: str, until: Any
) -> None:
    [id_] = await upload(client, "a")
    documents.hold = asyncio.Event()
    attaching = asyncio.create_task(client.vector_stores.files.create(store, file_id=id_))
    await until(lambda: len(documents.asked) == 2)
    attaching.cancel()
    await asyncio.gather(attaching, return_exceptions=True)
    documents.hold.set()
    # One after the other, so this comes after it.
    await client.vector_stores.update(store, name="Drinks")
    assert [file.id for file in (await client.vector_stores.files.list(store)).data] == [id_]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "file_id"),
        ({"file_id": 1}, 400, "file_id"),
        ({"file_id": "file-99"}, 404, None),
        ({"file_id": "x"}, 404, "file_id"),
        ({"file_id": "file-1", "attributes": {"a": None}}, 400, "attributes"),
        ({"file_id": "file-1", "attributes": {"a": [1]}}, 400, "attributes"),
        ({"file_id": "file-1", "attributes": {"a": "x" * 513}}, 400, "attributes"),
        ({"file_id": "file-1", "attributes": {"a" * 65: 1}}, 400, "attributes"),
        ({"file_id": "file-1", "attributes": {"a": 10**30}}, 400, "attributes"),
        ({"file_id": "file-1", "attributes": {str(n): n for n in range(17)}}, 400, "attributes"),
        ({"file_id": "file-1", "chunking_strategy": {"type": "x"}}, 400, "chunking_strategy.type"),
        ({"file_id": "file-1", "more": 1}, 400, "more"),
    ],
)
async def test_bad_attachments(
    client: openai.AsyncOpenAI, browser: Browser, store: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    await upload(client, "a")
    answer = await browser.ask("POST", f"{PATH}/{store}/files", json=body)
    assert (answer.status, answer.error["param"]) == (status, param)
    assert (await client.vector_stores.files.list(store)).data == []


@pytest.mark.parametrize("body", [b'{"attributes": {"a": NaN}}', b'{"attributes": {"a": 1e999}}', b"{}", b"[]", b""])
async def test_bad_attributes(client: openai.AsyncOpenAI, browser: Browser, store: str, body: bytes) -> None:
    [id_] = await upload(client, "a")
    await client.vector_stores.files.create(store, file_id=id_, attributes={"k": "v"})
    headers = {"Content-Type": "application/json"}
    answer = await browser.ask("POST", f"{PATH}/{store}/files/{id_}", data=body, headers=headers)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert (await client.vector_stores.files.retrieve(id_, vector_store_id=store)).attributes == {"k": "v"}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "file_ids"),
        ({"file_ids": []}, 400, "file_ids"),
        ({"files": []}, 400, "files"),
        ({"file_ids": ["file-1"], "files": [{"file_id": "file-1"}]}, 400, "file_ids"),
        ({"file_ids": ["file-1", "file-99"]}, 404, None),
        ({"file_ids": ["file-1", "x"]}, 404, "file_ids[1]"),
        ({"file_ids": ["file-1"] * 2001}, 400, "file_ids"),
        ({"files": [{"file_id": "file-1"}, {"file_id": "file-1"}]}, 400, "files[1].file_id"),
        ({"files": [{"file_id": "file-1"}], "attributes": {}}, 400, "attributes"),
        ({"files": [{"file_id": "file-1"}], "chunking_strategy": {"type": "auto"}}, 400, "chunking_strategy"),
        ({"files": [{"file_id": "file-1", "attributes": {"a": {}}}]}, 400, "files[0].attributes"),
        ({"files": ["file-1"]}, 400, "files[0]"),
    ],
)
async def test_bad_batches(
    client: openai.AsyncOpenAI, browser: Browser, store: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    await upload(client, "a")
    answer = await browser.ask("POST", f"{PATH}/{store}/file_batches", json=body)
    assert (answer.status, answer.error["param"]) == (status, param)
    assert (await client.vector_stores.files.list(store)).data == []


@pytest.mark.parametrize("id_", ["vsfb_7", "vsfb_", "7", "vsfb_" + "9" * 30])
async def test_unknown_batches(agent: Agent, browser: Browser, store: str, id_: str) -> None:
    for method, path in (("GET", id_), ("POST", f"{id_}/cancel"), ("GET", f"{id_}/files")):
        body: dict[str, Any] | None = {} if method == "POST" else None
        answer = await browser.ask(method, f"{PATH}/{store}/file_batches/{path}", json=body)
        assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["filter=done", "limit=0", "after=x", "before=vs_1", "purpose=x"])
async def test_parameters_that_are_refused(agent: Agent, browser: Browser, store: str, query: str) -> None:
    answer = await browser.ask("GET", f"{PATH}/{store}/files?{query}")
    assert (answer.status, answer.error["param"]) == (400, query.partition("=")[0])
