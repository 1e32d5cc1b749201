"""`/v1/vector_stores`, judged by the official client."""

from typing import Any

import openai
import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import DocsAdd
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments

PATH = "/v1/vector_stores"


async def upload(client: openai.AsyncOpenAI, *texts: str) -> list[str]:
    """The ids of new files."""
    return [
        (await client.files.create(file=(f"{number}.txt", text.encode()), purpose="assistants")).id
        for number, text in enumerate(texts)
    ]


async def test_a_vector_store_from_its_beginning_to_its_end(
    client: openai.AsyncOpenAI, documents: FakeDocuments
) -> None:
    store = await client.vector_stores.create(name="Notes", metadata={"team": "tea"}, description="All of them")
    assert (store.id, store.name, store.status, store.metadata) == ("vs_1", "Notes", "completed", {"team": "tea"})
    assert store.model_extra is not None and store.model_extra["description"] == "All of them"
    assert (store.file_counts.total, store.usage_bytes) == (0, 0)
    assert await client.vector_stores.retrieve(store.id) == store
    changed = await client.vector_stores.update(store.id, name="Old notes")
    assert (changed.name, changed.metadata) == ("Old notes", {"team": "tea"})
    assert [row.name for row in await documents.collections()] == ["Old notes"]
    assert (await client.vector_stores.update(store.id, metadata={"a": "b"})).metadata == {"a": "b"}
    assert (await client.vector_stores.update(store.id, metadata=None)).metadata == {}
    assert (await client.vector_stores.update(store.id)).name == "Old notes"
    deleted = await client.vector_stores.delete(store.id)
    assert (deleted.id, deleted.deleted) == (store.id, True)
    assert await documents.collections() == []
    for call in (client.vector_stores.retrieve, client.vector_stores.delete, client.vector_stores.update):
        with pytest.raises(openai.NotFoundError):
            await call(store.id)


async def test_names_need_not_be_unique_and_need_not_be(client: openai.AsyncOpenAI, documents: FakeDocuments) -> None:
    stores = [await client.vector_stores.create(name="Notes") for _ in range(3)]
    assert [store.name for store in stores] == ["Notes"] * 3
    assert [row.name for row in await documents.collections()] == ["Notes", "Notes (2)", "Notes (3)"]
    assert (await client.vector_stores.update(stores[1].id, name="Notes")).name == "Notes"
    await documents.store.collections.rename(3, "Renamed elsewhere")
    assert (await client.vector_stores.retrieve("vs_3")).name == "Renamed elsewhere"
    assert (await client.vector_stores.create()).name
    long = "n" * 300
    assert [(await client.vector_stores.create(name=long)).name for _ in range(2)] == [long, long]


async def test_a_collection_that_somebody_else_made_is_one(
    client: openai.AsyncOpenAI, documents: FakeDocuments
) -> None:
    await documents.store.collections.create("from the command line")
    [store] = (await client.vector_stores.list()).data
    assert (store.id, store.name, store.metadata) == ("vs_1", "from the command line", {})
    changed = await client.vector_stores.update("vs_1", metadata={"a": "b"})
    assert (changed.name, changed.metadata) == ("from the command line", {"a": "b"})


async def test_the_list_in_portions(client: openai.AsyncOpenAI) -> None:
    for number in range(5):
        await client.vector_stores.create(name=str(number))
    assert [store.name async for store in client.vector_stores.list(limit=2)] == ["4", "3", "2", "1", "0"]
    ordered = [store.name async for store in client.vector_stores.list(limit=3, order="asc")]
    assert ordered == ["0", "1", "2", "3", "4"]
    before = await client.vector_stores.list(limit=2, before="vs_1")
    assert ([store.name for store in before.data], before.has_more) == (["2", "1"], True)
    between = await client.vector_stores.list(after="vs_5", before="vs_2")
    assert ([store.name for store in between.data], between.has_more) == (["3", "2"], False)


async def test_files_at_once(client: openai.AsyncOpenAI, documents: FakeDocuments) -> None:
    documents.at_once = False
    ids = await upload(client, "tea", "coffee!")
    store = await client.vector_stores.create(name="Drinks", file_ids=ids, chunking_strategy={"type": "auto"})
    assert (store.status, store.file_counts.in_progress, store.file_counts.total) == ("in_progress", 2, 2)
    assert store.usage_bytes == 10
    add = documents.asked[-1]
    assert isinstance(add, DocsAdd) and (add.collection, add.watch, add.wait) == ("Drinks", False, False)
    await documents.read()
    store = await client.vector_stores.retrieve(store.id)
    assert (store.status, store.file_counts.completed) == ("completed", 2)


async def test_a_store_that_cannot_have_its_files_is_not_made(
    client: openai.AsyncOpenAI, documents: FakeDocuments
) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.vector_stores.create(name="a", file_ids=["file-9"])
    ids = await upload(client, "tea")
    documents.hold = None
    add, told = documents.add, SamovarError(FailureCode.DISK_FULL, "The disk is full.")

    async def fail(*arguments: Any, **options: Any) -> Any:
        raise told

    documents.add = fail  # type: ignore[method-assign]
    with pytest.raises(openai.InternalServerError):
        await client.vector_stores.create(name="a", file_ids=ids)
    assert await documents.collections() == []
    documents.add = add  # type: ignore[method-assign]
    assert (await client.vector_stores.create(name="a", file_ids=ids)).name == "a"


async def test_files_stay_where_a_store_goes(client: openai.AsyncOpenAI) -> None:
    ids = await upload(client, "tea")
    store = await client.vector_stores.create(file_ids=ids)
    await client.vector_stores.delete(store.id)
    assert (await client.files.content(ids[0])).content == b"tea"


BAD_BODIES: list[tuple[dict[str, Any], str | None]] = [
    ({"name": ""}, "name"),
    ({"name": "n" * 301}, "name"),
    ({"name": 7}, "name"),
    ({"names": "a"}, "names"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": {"": "x"}}, "metadata"),
    ({"metadata": {"k" * 65: "x"}}, "metadata"),
    ({"metadata": {"k": "x" * 513}}, "metadata"),
    ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
    ({"metadata": []}, "metadata"),
    ({"expires_after": {"anchor": "last_active_at", "days": 1}}, "expires_after"),
]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *BAD_BODIES,
        ({"file_ids": "file-1"}, "file_ids"),
        ({"file_ids": [1]}, "file_ids[0]"),
        ({"file_ids": ["file-1"] * 2001}, "file_ids"),
        ({"chunking_strategy": {"type": "other"}}, "chunking_strategy.type"),
        ({"chunking_strategy": {"type": "static"}}, "chunking_strategy.static"),
        (
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 1, "chunk_overlap_tokens": 0},
                }
            },
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
        (
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
                }
            },
            "chunking_strategy",
        ),
    ],
)
async def test_bad_bodies_of_new_ones(
    agent: Agent, browser: Browser, documents: FakeDocuments, body: dict[str, Any], param: str | None
) -> None:
    answer = await browser.ask("POST", PATH, json=body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert await documents.collections() == []


@pytest.mark.parametrize(("body", "param"), [*BAD_BODIES, ({"file_ids": []}, "file_ids")])
async def test_bad_bodies_of_changes(
    agent: Agent, browser: Browser, documents: FakeDocuments, body: dict[str, Any], param: str | None
) -> None:
    await browser.ask("POST", PATH, json={"name": "a", "metadata": {"k": "v"}})
    answer = await browser.ask("POST", f"{PATH}/vs_1", json=body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert (await browser.ask("GET", f"{PATH}/vs_1")).json()["metadata"] == {"k": "v"}


@pytest.mark.parametrize("id_", ["vs_7", "vs_", "7", "vs_-1", "vs_" + "9" * 40, "file-1", "vs_\u0661", "%00"])
async def test_unknown_stores(agent: Agent, browser: Browser, documents: FakeDocuments, id_: str) -> None:
    tries: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("POST", "", {}),
        ("DELETE", "", None),
        ("POST", "/search", {"query": "x"}),
        ("GET", "/files", None),
        ("POST", "/files", {"file_id": "file-1"}),
        ("GET", "/files/file-1", None),
        ("POST", "/files/file-1", {"attributes": {}}),
        ("DELETE", "/files/file-1", None),
        ("GET", "/files/file-1/content", None),
        ("POST", "/file_batches", {"file_ids": ["file-1"]}),
        ("GET", "/file_batches/vsfb_1", None),
        ("POST", "/file_batches/vsfb_1/cancel", {}),
        ("GET", "/file_batches/vsfb_1/files", None),
    ]
    for method, path, body in tries:
        answer = await browser.ask(method, f"{PATH}/{id_}{path}", json=body)
        assert (method, path, answer.status, answer.error["code"]) == (method, path, 404, "not_found")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "order=x", "after=1", "before=file-1", "filter=failed"])
async def test_parameters_that_are_refused(
    agent: Agent, browser: Browser, documents: FakeDocuments, query: str
) -> None:
    answer = await browser.ask("GET", f"{PATH}?{query}")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", query.partition("=")[0])


async def test_changes_need_json_and_the_scope(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    assert (await browser.ask("POST", PATH, data=b"{}", headers={"Content-Type": "text/plain"})).status == 415
    assert (await browser.ask("POST", PATH, headers={"Origin": "http://evil.example"}, json={})).status == 403
    agent.settings.set("server.require_token", True)
    for secret, status in ((agent.tokens.add("c", "chat"), 403), (agent.tokens.add("d", "documents"), 200)):
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await browser.ask("POST", PATH, json={}, headers=headers)).status == status
    assert await documents.collections() != []
