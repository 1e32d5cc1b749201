"""Our own API for conversations, over the real service."""

from typing import Any

import pytest

from samovar_protocol.requests import DocsCreate
from samovar_protocol.values import Message
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments

PATH = "/api/samovar/conversations"


async def test_a_conversation_from_its_beginning_to_its_end(
    agent: Agent, browser: Browser, documents: FakeDocuments
) -> None:
    await documents.create(DocsCreate(name="notes"))
    created = (await browser.ask("POST", PATH, json={"title": "Tea", "collections": ["notes"]})).json()["conversation"]
    assert (created["title"], created["collections"]) == ("Tea", ["notes"])
    path = f"{PATH}/{created['id']}"
    question, answer = Message(role="user", content="When?"), Message(role="assistant", content="In June.")
    await agent.services.conversations.keep(created["id"], question, answer, model="a/b")
    shown = (await browser.ask("GET", path)).json()
    assert [turn["message"]["content"] for turn in shown["messages"]] == ["When?", "In June."]
    assert (await browser.ask("PATCH", path, json={"title": "Coffee"})).json()["conversation"]["title"] == "Coffee"
    await browser.ask("POST", "/api/samovar/collections", json={"name": "papers"})
    changed = (await browser.ask("PATCH", path, json={"collections": ["papers"]})).json()["conversation"]
    assert (changed["title"], changed["collections"]) == ("Coffee", ["papers"])
    assert (await browser.ask("PATCH", path, json={"collections": ["none"]})).status == 404
    listed = (await browser.ask("GET", f"{PATH}?limit=1")).json()["conversations"]
    assert [(found["title"], found["model"]) for found in listed] == [("Coffee", "a/b")]
    assert (await browser.ask("DELETE", path)).json() == {"found": True}
    assert (await browser.ask("DELETE", path)).json() == {"found": False}
    assert (await browser.ask("GET", path)).status == 404
    assert (await browser.ask("PATCH", path, json={"title": "x"})).status == 404


@pytest.mark.parametrize("id_", ["7", "x", "-1", "9" * 40, "%00"])
async def test_unknown_conversations(agent: Agent, browser: Browser, documents: FakeDocuments, id_: str) -> None:
    answer = await browser.ask("GET", f"{PATH}/{id_}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "", {"title": 1}, "title"),
        ("POST", "", {"title": "t" * 301}, "title"),
        ("POST", "", {"collections": [""]}, "collections[0]"),
        ("POST", "", {"x": 1}, "x"),
        ("PATCH", "/1", {}, "title"),
        ("PATCH", "/1", {"title": ""}, "title"),
        ("PATCH", "/1", {"title": "a", "id": 2}, "id"),
        ("DELETE", "/1", {"x": 1}, "x"),
    ],
)
async def test_bad_bodies(
    agent: Agent, browser: Browser, documents: FakeDocuments, method: str, path: str, body: Any, param: str
) -> None:
    await browser.ask("POST", PATH, json={"title": "kept"})
    answer = await browser.ask(method, PATH + path, json=body)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert [found["title"] for found in (await browser.ask("GET", PATH)).json()["conversations"]] == ["kept"]


async def test_unknown_collections(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    answer = await browser.ask("POST", PATH, json={"collections": ["nowhere"]})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=10001", "after=1"])
async def test_parameters_that_are_refused(
    agent: Agent, browser: Browser, documents: FakeDocuments, query: str
) -> None:
    answer = await browser.ask("GET", f"{PATH}?{query}")
    assert (answer.status, answer.error["param"]) == (400, query.partition("=")[0])


async def test_the_scope_is_documents(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    agent.settings.set("server.require_token", True)
    for secret, status in ((agent.tokens.add("c", "chat"), 403), (agent.tokens.add("d", "documents"), 200)):
        answer = await browser.ask("GET", PATH, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status == status
