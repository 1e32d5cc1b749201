"""Our own API for documents: search, questions, what they say."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from samovar_protocol.documents import DocumentFilter
from samovar_protocol.requests import DocsAdd, DocsAsk, DocsCreate, DocsImport, DocsLs, DocsRetry, DocsSearch, DocsText
from samovar_protocol.values import Message, Progress, Sampling, Text
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments

PATH = "/api/samovar/documents"


@pytest.fixture
async def notes(agent: Agent, documents: FakeDocuments, tmp_path: Path) -> None:
    """Two documents in a collection."""
    await documents.create(DocsCreate(name="notes"))
    for name in ("tea", "coffee"):
        (tmp_path / name).write_text(f"all about {name}")
        await documents.add(
            DocsAdd(collection="notes", paths=[str(tmp_path / name)]), on_progress=lambda progress: None
        )


async def test_the_list_in_portions(browser: Browser, documents: FakeDocuments, notes: None) -> None:
    first = (await browser.ask("GET", f"{PATH}?limit=1")).json()
    assert ([found["name"] for found in first["documents"]], first["more"]) == (["tea"], True)
    rest = (await browser.ask("GET", f"{PATH}?limit=1&after=1&collection=notes")).json()
    assert ([found["name"] for found in rest["documents"]], rest["more"]) == (["coffee"], False)
    assert documents.asked[-1] == DocsLs(collection="notes", after=1, limit=1)


async def test_what_a_document_says(browser: Browser, documents: FakeDocuments, notes: None) -> None:
    assert (await browser.ask("GET", f"{PATH}/1/text")).json()["text"] == "all about tea"
    part = (await browser.ask("GET", f"{PATH}/1/text?start=4&end=9")).json()
    assert (part["text"], part["length"]) == ("about", 13)
    assert documents.asked[-1] == DocsText(document=1, start=4, end=9)


async def test_search(browser: Browser, documents: FakeDocuments, notes: None) -> None:
    body = {"query": "tea", "collections": ["notes"], "limit": 3, "filter": {"documents": [1, 2]}}
    answer = await browser.ask("POST", f"{PATH}/search", json=body)
    assert [passage["text"] for passage in answer.json()["passages"]] == ["all about tea"]
    asked = DocsSearch(query="tea", collections=["notes"], limit=3, filter=DocumentFilter(documents=(1, 2)))
    assert documents.asked[-1] == asked
    assert documents.clients[-1].startswith("http 127.0.0.1")
    documents.progress = [Progress(stage="loading", done=1, total=2)]
    streamed = await browser.ask("POST", f"{PATH}/search", json={**body, "stream": True})
    progress, reply, done = streamed.events
    assert (progress["stage"], len(reply["passages"]), done) == ("loading", 1, "[DONE]")


async def test_a_question(browser: Browser, documents: FakeDocuments, notes: None) -> None:
    body = {
        "question": "When?",
        "collections": ["notes"],
        "history": [{"role": "user", "content": "Hello"}],
        "sampling": {"temperature": 0.5},
        "conversation": 3,
    }
    answer = await browser.ask("POST", f"{PATH}/ask", json=body)
    assert (answer.json()["text"], answer.json()["outcome"]) == ("In June [1].", "answered")
    asked = documents.asked[-1]
    assert isinstance(asked, DocsAsk)
    assert asked.history == [Message(role="user", content="Hello")] and asked.conversation == 3
    assert asked.sampling == Sampling(temperature=0.5)


async def test_a_question_in_pieces(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    documents.progress = [Progress(stage="loading", done=1, total=2)]
    documents.answer = [Text(text="In "), Text(text="June [1].")]
    answer = await browser.ask("POST", f"{PATH}/ask", json={"question": "When?", "stream": True})
    progress, *pieces, reply, done = answer.events
    assert (progress["type"], done) == ("progress", "[DONE]")
    assert "".join(piece["text"] for piece in pieces) == reply["text"]
    assert {piece["type"] for piece in pieces} == {"text"}


async def test_a_client_that_leaves_stops_the_answer(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    documents.progress, documents.hold = [Progress(stage="loading")], asyncio.Event()
    body = {"question": "When?", "stream": True}
    async with browser.session.post(f"{agent.url}{PATH}/ask", json=body) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(10):
        await documents.left.wait()


async def test_retry_and_import(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    assert (await browser.ask("POST", f"{PATH}/retry", json={"documents": [1, 2]})).json() == {"queued": 2}
    assert documents.asked[-1] == DocsRetry(documents=[1, 2])
    taken = await browser.ask("POST", f"{PATH}/import", json={"path": "/x", "name": "a"})
    assert taken.json()["collection"]["name"] == "a"
    assert documents.asked[-1] == DocsImport(path="/x", name="a")
    documents.progress = [Progress(stage="reading", done=1)]
    streamed = await browser.ask("POST", f"{PATH}/import", json={"path": "/x", "name": "b", "stream": True})
    progress, reply, done = streamed.events
    assert (progress["done"], reply["collection"]["name"], done) == (1, "b", "[DONE]")


BAD_FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"filter": {"path": "/x"}}, "filter.path"),
    ({"filter": {"since": "yesterday"}}, "filter.since"),
    ({"filter": {"documents": [10**30]}}, "filter.documents[0]"),
    ({"filter": {"documents": list(range(10_001))}}, "filter.documents"),
    ({"filter": []}, "filter"),
    ({"collections": "notes"}, "collections"),
    ({"collections": [""]}, "collections[0]"),
    ({"stream": "yes"}, "stream"),
    ({"colour": 1}, "colour"),
]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("search", {}, "query"),
        ("search", {"query": ""}, "query"),
        ("search", {"query": ["a"]}, "query"),
        ("search", {"query": "x", "limit": 0}, "limit"),
        ("search", {"query": "x", "limit": 1001}, "limit"),
        ("search", {"query": "x", "limit": 1.5}, "limit"),
        ("search", {"query": "x", "rerank": "auto"}, "rerank"),
        *[("search", {"query": "x", **more}, param) for more, param in BAD_FILTERS],
        ("ask", {}, "question"),
        (
            "ask",
            {"question": "x", "history": [{"role": "user", "content": "x", "nickname": "y"}]},
            "history[0].nickname",
        ),
        ("ask", {"question": "x", "history": [{"role": "nobody", "content": "x"}]}, "history[0].role"),
        ("ask", {"question": "x", "sampling": {"heat": 1}}, "sampling.heat"),
        ("ask", {"question": "x", "options": {"max": 1}}, "options.max"),
        ("ask", {"question": "x", "options": {"reply_format": {"type": "json", "x": 1}}}, "options.reply_format.x"),
        ("ask", {"question": "x", "conversation": 10**30}, "conversation"),
        *[("ask", {"question": "x", **more}, param) for more, param in BAD_FILTERS],
        ("retry", {"documents": [2**63]}, "documents[0]"),
        ("retry", {"documents": 1}, "documents"),
        ("import", {}, "path"),
        ("import", {"path": "/x", "name": ""}, "name"),
    ],
)
async def test_bad_bodies(
    agent: Agent, browser: Browser, documents: FakeDocuments, path: str, body: dict[str, Any], param: str
) -> None:
    answer = await browser.ask("POST", f"{PATH}/{path}", json=body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert documents.asked == []


async def test_fields_of_any_name_where_they_are_meant_to_be(
    agent: Agent, browser: Browser, documents: FakeDocuments
) -> None:
    schema = {"type": "object", "properties": {"when": {"type": "string"}}, "maxItems": 3}
    options = {"reply_format": {"type": "json_schema", "json_schema": schema}}
    answer = await browser.ask("POST", f"{PATH}/ask", json={"question": "x", "options": options})
    assert answer.status == 200
    assert documents.asked[-1].options.reply_format.json_schema == schema


@pytest.mark.parametrize("query", ["start=-1", "end=x", "start=" + "9" * 30, "x=1", "document=2"])
async def test_parameters_that_are_refused(
    agent: Agent, browser: Browser, documents: FakeDocuments, query: str
) -> None:
    answer = await browser.ask("GET", f"{PATH}/1/text?{query}")
    assert (answer.status, answer.error["param"]) == (400, query.partition("=")[0])
    assert documents.asked == []


@pytest.mark.parametrize("id_", ["7", "x", "-1", "9" * 40, "%00"])
async def test_unknown_documents(agent: Agent, browser: Browser, documents: FakeDocuments, id_: str) -> None:
    answer = await browser.ask("GET", f"{PATH}/{id_}/text")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_questions_need_the_scope_of_chats_too(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    agent.settings.set("server.require_token", True)
    for secret, search, ask in (
        (agent.tokens.add("c", "chat"), 403, 403),
        (agent.tokens.add("d", "documents"), 200, 403),
        (agent.tokens.add("b", "documents", "chat"), 200, 200),
        (agent.tokens.add("a", "admin"), 200, 200),
    ):
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await browser.ask("POST", f"{PATH}/search", json={"query": "x"}, headers=headers)).status == search
        answer = await browser.ask("POST", f"{PATH}/ask", json={"question": "x"}, headers=headers)
        assert answer.status == ask
        if ask == 403:
            assert "--scope documents --scope chat" in answer.error["message"]
