"""`POST /v1/vector_stores/{id}/search`, judged by the official client."""

import asyncio
from typing import Any

import openai
import pytest

from samovar_agent.http.openai import filtered_documents
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import DocsAdd, DocsSearch
from samovar_protocol.values import Progress
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments
from tests.samovar_agent.http.openai.test_vector_stores import PATH, upload

TEXTS = ("tea", "tea tea", "coffee tea tea tea", "coffee")


@pytest.fixture
async def store(client: openai.AsyncOpenAI) -> str:
    """Four files, the year of each 2020 and its number, the last without."""
    ids = await upload(client, *TEXTS)
    store = (await client.vector_stores.create(name="Drinks")).id
    for number, id_ in enumerate(ids[:3]):
        await client.vector_stores.files.create(store, file_id=id_, attributes={"year": 2020 + number})
    await client.vector_stores.files.create(store, file_id=ids[3])
    return store


async def found(client: openai.AsyncOpenAI, store: str, **search: Any) -> list[str]:
    return [result.content[0].text async for result in client.vector_stores.search(store, **search)]


async def test_what_is_found(client: openai.AsyncOpenAI, documents: FakeDocuments, store: str) -> None:
    page = await client.vector_stores.search(store, query="tea")
    assert [result.content[0].text for result in page.data] == ["coffee tea tea tea", "tea tea", "tea"]
    best = page.data[0]
    assert (best.file_id, best.filename, best.score, best.attributes) == ("file-3", "2.txt", 0.3, {"year": 2022})
    assert best.model_extra is not None and best.model_extra["samovar"]["page"] == 1
    assert page.model_extra is not None and page.model_extra["search_query"] == ["tea"]
    assert page.model_extra["samovar"] == {"method": "words", "note": "There is no embedding model."}
    assert documents.asked[-1] == DocsSearch(query="tea", collections=["Drinks"])
    assert documents.clients[-1].startswith("http 127.0.0.1")


async def test_several_queries_give_the_best_of_each_once(client: openai.AsyncOpenAI, store: str) -> None:
    page = await client.vector_stores.search(store, query=["coffee", "tea"], max_num_results=3)
    assert [result.score for result in page.data] == [0.3, 0.2, 0.1]
    assert len({result.file_id for result in page.data}) == 3


async def test_how_many_and_how_good(client: openai.AsyncOpenAI, documents: FakeDocuments, store: str) -> None:
    assert len(await found(client, store, query="tea", max_num_results=1)) == 1
    assert isinstance(documents.asked[-1], DocsSearch) and documents.asked[-1].limit == 1
    good = await found(client, store, query="tea", ranking_options={"score_threshold": 0.15, "ranker": "auto"})
    assert good == ["coffee tea tea tea", "tea tea"]
    await found(client, store, query="tea", ranking_options={"ranker": "auto"})
    await found(client, store, query="tea", ranking_options={"ranker": "none"}, rewrite_query=False)
    reranks = [search.rerank for search in documents.asked if isinstance(search, DocsSearch)]
    assert reranks == [None, False, None, False], "a reranking model's scores have another scale than a threshold"


async def test_filters_choose_documents_before_the_search(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    filters: Any = {"type": "gte", "key": "year", "value": 2021}
    assert await found(client, store, query="tea", filters=filters) == ["coffee tea tea tea", "tea tea"]
    assert documents.asked[-1].filter.documents == (2, 3)
    without: Any = {"type": "ne", "key": "year", "value": 2022}
    assert await found(client, store, query="coffee", filters=without) == ["coffee"]


async def test_a_filter_that_chooses_nothing_finds_nothing(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str
) -> None:
    asked = len(documents.asked)
    assert await found(client, store, query="tea", filters={"type": "eq", "key": "year", "value": 1}) == []
    assert len(documents.asked) == asked, "an empty choice must not become none at all"


async def test_a_filter_that_chooses_too_much(
    client: openai.AsyncOpenAI, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered_documents, "MOST_DOCUMENTS", 2)
    with pytest.raises(openai.BadRequestError) as error:
        await client.vector_stores.search(store, query="tea", filters={"type": "gt", "key": "year", "value": 1})
    assert error.value.param == "filters"


async def test_documents_that_were_not_uploaded_are_found_too(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str, tmp_path: Any
) -> None:
    path = tmp_path / "elsewhere.txt"
    path.write_text("mate")
    await documents.add(DocsAdd(collection="Drinks", paths=[str(path)]), on_progress=lambda progress: None)
    [result] = (await client.vector_stores.search(store, query="mate")).data
    assert (result.file_id, result.filename, result.attributes) == ("doc-5", "elsewhere.txt", {})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": []}, "query"),
        ({"query": ["a"] * 17}, "query"),
        ({"query": ["a", ""]}, "query[1]"),
        ({"query": 7}, "query"),
        ({"query": "x" * 100_001}, "query"),
        ({"query": "tea", "max_num_results": 0}, "max_num_results"),
        ({"query": "tea", "max_num_results": 51}, "max_num_results"),
        ({"query": "tea", "max_num_results": 10**30}, "max_num_results"),
        ({"query": "tea", "rewrite_query": True}, "rewrite_query"),
        ({"query": "tea", "rewrite_query": "yes"}, "rewrite_query"),
        ({"query": "tea", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        ({"query": "tea", "ranking_options": {"score_threshold": 1.5}}, "ranking_options.score_threshold"),
        ({"query": "tea", "ranking_options": {"hybrid_search": {}}}, "ranking_options.hybrid_search"),
        ({"query": "tea", "filters": {"type": "like", "key": "a", "value": "b"}}, "filters.type"),
        ({"query": "tea", "filters": {"type": "eq", "key": "a"}}, "filters.value"),
        ({"query": "tea", "filters": {"type": "eq", "key": "a", "value": None}}, "filters.value"),
        ({"query": "tea", "filters": {"type": "eq", "key": "a", "value": 1, "x": 1}}, "filters.x"),
        ({"query": "tea", "filters": []}, "filters"),
        ({"query": "tea", "limit": 5}, "limit"),
    ],
)
async def test_bad_bodies(
    agent: Agent, browser: Browser, documents: FakeDocuments, store: str, body: dict[str, Any], param: str
) -> None:
    asked = len(documents.asked)
    answer = await browser.ask("POST", f"{PATH}/{store}/search", json=body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert len(documents.asked) == asked


async def test_filters_within_filters_without_end(agent: Agent, browser: Browser, store: str) -> None:
    depth = 5000
    body = b'{"query":"x","filters":' + b'{"type":"and","filters":[' * depth + b"]}" * depth + b"}"
    headers = {"Content-Type": "application/json"}
    answer = await browser.ask("POST", f"{PATH}/{store}/search", data=body, headers=headers)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


async def test_a_failure_has_its_status(client: openai.AsyncOpenAI, documents: FakeDocuments, store: str) -> None:
    documents.error = SamovarError(FailureCode.BUSY, "Too many wait.")
    with pytest.raises(openai.RateLimitError):
        await client.vector_stores.search(store, query="tea")


async def test_a_client_that_leaves_stops_the_search(
    client: openai.AsyncOpenAI, documents: FakeDocuments, store: str, until: Any
) -> None:
    documents.progress, documents.hold = [Progress(stage="loading")], asyncio.Event()
    asked = len(documents.asked)
    searching = asyncio.ensure_future(found(client, store, query="tea"))
    await until(lambda: len(documents.asked) > asked)
    searching.cancel()
    async with asyncio.timeout(10):
        await documents.left.wait()
