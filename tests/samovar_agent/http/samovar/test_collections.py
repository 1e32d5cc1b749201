"""Our own API for collections."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import DocsAdd, DocsChange, DocsCreate, DocsExport, DocsLs, DocsRm, DocsWatch
from samovar_protocol.values import Progress
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments

PATH = "/api/samovar/collections"


@pytest.fixture
async def notes(agent: Agent, browser: Browser, documents: FakeDocuments) -> str:
    """The address of a collection."""
    assert (await browser.ask("POST", PATH, json={"name": "notes"})).status == 200
    return f"{PATH}/notes"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "tea.txt"
    path.write_text("tea")
    return str(path)


async def test_a_collection_from_its_beginning_to_its_end(
    agent: Agent, browser: Browser, documents: FakeDocuments
) -> None:
    created = await browser.ask("POST", PATH, json={"name": "notes", "model": "a/b"})
    assert (created.status, created.json()["collection"]["name"]) == (200, "notes")
    assert documents.asked == [DocsCreate(name="notes", model="a/b")]
    assert [found["name"] for found in (await browser.ask("GET", PATH)).json()["collections"]] == ["notes"]
    assert (await browser.ask("GET", f"{PATH}/notes")).json()["collection"]["model"] == "a/b"
    changed = await browser.ask("PATCH", f"{PATH}/notes", json={"rename": "old"})
    assert changed.json()["collection"]["name"] == "old"
    assert documents.asked[-1] == DocsChange(collection="notes", rename="old")
    assert (await browser.ask("DELETE", f"{PATH}/old")).json() == {"removed": 0}
    for method, body in (("GET", None), ("PATCH", {"rename": "x"}), ("DELETE", None)):
        answer = await browser.ask(method, f"{PATH}/old", json=body)
        assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["a b", "a/b", "ü%", "..", "?x=1", "n" * 300, "import", "a{b}", "{x}", "100%25"])
async def test_any_name_will_do(agent: Agent, browser: Browser, documents: FakeDocuments, name: str) -> None:
    await browser.ask("POST", PATH, json={"name": name})
    # As a client that knows what it does writes it; ".." would be another address.
    path = quote(name, safe="").replace(".", "%2E")
    url = URL(f"{agent.url}{PATH}/{path}", encoded=True)
    async with browser.session.get(url) as response:
        assert (await response.json())["collection"]["name"] == name


async def test_documents_come_and_go(browser: Browser, documents: FakeDocuments, notes: str, file: str) -> None:
    added = await browser.ask("POST", f"{notes}/documents", json={"paths": [file], "watch": False})
    assert (added.status, added.json()["added"]) == (200, 1)
    assert documents.asked[-1] == DocsAdd(collection="notes", paths=[file], watch=False)
    listed = (await browser.ask("GET", f"{notes}/documents?state=ready&limit=5&after=0")).json()
    assert [found["path"] for found in listed["documents"]] == [file]
    assert documents.asked[-1] == DocsLs(collection="notes", state="ready", limit=5)
    assert (await browser.ask("DELETE", f"{notes}/documents/1")).status == 200
    assert documents.asked[-1] == DocsRm(collection="notes", documents=[1])
    assert (await browser.ask("GET", f"{notes}/documents")).json()["documents"] == []
    assert (await browser.ask("DELETE", f"{notes}/documents", json={"paths": [file]})).status == 200
    assert documents.asked[-1] == DocsRm(collection="notes", paths=[file])
    assert (await browser.ask("POST", f"{notes}/watch", json={"path": "/x", "watch": False})).json()["source"]
    assert documents.asked[-1] == DocsWatch(collection="notes", path="/x", watch=False)


async def test_progress_as_events(browser: Browser, documents: FakeDocuments, notes: str, file: str) -> None:
    documents.progress = [Progress(stage="reading", done=n, total=2) for n in (1, 2)]
    for path, body, field in (
        ("documents", {"paths": [file]}, "added"),
        ("export", {"path": "/x/notes.samovar"}, "size_bytes"),
    ):
        answer = await browser.ask("POST", f"{notes}/{path}", json={**body, "stream": True})
        *progress, reply, done = answer.events
        assert [(event["type"], event["done"]) for event in progress] == [("progress", 1), ("progress", 2)]
        assert field in reply and done == "[DONE]"
        whole = await browser.ask("POST", f"{notes}/{path}", json=body)
        assert field in whole.json()
    assert documents.asked[-1] == DocsExport(collection="notes", path="/x/notes.samovar")


async def test_a_failure_has_its_status_before_the_first_byte_and_is_an_event_after(
    browser: Browser, documents: FakeDocuments, notes: str
) -> None:
    body = {"paths": ["/nowhere/at/all"], "stream": True}
    documents.error = SamovarError(FailureCode.DISK_FULL, "The disk is full.")
    assert (await browser.ask("POST", f"{notes}/documents", json=body)).status == 507
    documents.error = None
    documents.progress, documents.hold = [Progress(stage="reading", done=1)], asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, documents.hold.set)
    answer = await browser.ask("POST", f"{notes}/documents", json=body)
    assert (answer.status, answer.events[-1]["error"]["code"]) == (200, "path_refused")


async def test_a_client_that_leaves_no_longer_follows(
    agent: Agent, browser: Browser, documents: FakeDocuments, notes: str
) -> None:
    documents.progress, documents.hold = [Progress(stage="reading", done=1)], asyncio.Event()
    body = {"paths": ["/x"], "stream": True}
    async with browser.session.post(f"{agent.url}{notes}/documents", json=body) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(10):
        await documents.left.wait()


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "", {}, "name"),
        ("POST", "", {"name": ""}, "name"),
        ("POST", "", {"name": 1}, "name"),
        ("POST", "", {"name": "a", "color": 1}, "color"),
        ("POST", "", {"name": "a", "words_only": "yes"}, "words_only"),
        ("PATCH", "/notes", {"rename": ""}, "rename"),
        ("PATCH", "/notes", {"collection": "other"}, "collection"),
        ("DELETE", "/notes", {"x": 1}, "x"),
        ("POST", "/notes/documents", {"paths": "x"}, "paths"),
        ("POST", "/notes/documents", {"paths": [""]}, "paths[0]"),
        ("POST", "/notes/documents", {"paths": ["/x"], "stream": 1}, "stream"),
        ("POST", "/notes/documents", {"paths": ["/x"], "collection": "other"}, "collection"),
        ("POST", "/notes/documents", {"paths": ["x" * 4097]}, "paths[0]"),
        ("POST", "/notes/documents", {"text": ["x"]}, "text"),
        ("DELETE", "/notes/documents", {"documents": [10**30]}, "documents[0]"),
        ("DELETE", "/notes/documents", {"documents": ["1"]}, "documents[0]"),
        ("DELETE", "/notes/documents/1", {"paths": []}, "paths"),
        ("POST", "/notes/watch", {}, "path"),
        ("POST", "/notes/export", {"path": None}, "path"),
        ("POST", "/notes/export", {"path": "/x", "replace": "no"}, "replace"),
    ],
)
async def test_bad_bodies(
    browser: Browser, documents: FakeDocuments, notes: str, method: str, path: str, body: Any, param: str
) -> None:
    asked = len(documents.asked)
    answer = await browser.ask(method, PATH + path, json=body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert len(documents.asked) == asked


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_broken_bodies(agent: Agent, browser: Browser, documents: FakeDocuments, body: bytes) -> None:
    answer = await browser.ask("POST", PATH, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert documents.asked == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "after=-1",
        "after=" + "9" * 30,
        "state=done",
        "x=1",
        "collection=other",
        "state=ready&state=ready",
    ],
)
async def test_parameters_that_are_refused(browser: Browser, notes: str, query: str) -> None:
    answer = await browser.ask("GET", f"{notes}/documents?{query}")
    assert (answer.status, answer.error["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("id_", ["x", "-1", "9" * 40, "%00", "1.0"])
async def test_documents_that_are_none(browser: Browser, notes: str, id_: str) -> None:
    answer = await browser.ask("DELETE", f"{notes}/documents/{id_}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/notes"), ("DELETE", "/notes/documents")])
async def test_changes_need_json(
    agent: Agent, browser: Browser, documents: FakeDocuments, method: str, path: str
) -> None:
    body = json.dumps({"name": "a"}).encode()
    answer = await browser.ask(method, PATH + path, data=body, headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    assert documents.asked == []


async def test_pages_of_other_origins_change_nothing(
    agent: Agent, browser: Browser, documents: FakeDocuments, notes: str
) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert (await browser.ask("DELETE", notes, headers=headers)).status == 403
        asked = {"Access-Control-Request-Method": "DELETE"}
        assert (await browser.ask("OPTIONS", notes, headers={**headers, **asked})).status == 403
    assert [row.name for row in await documents.collections()] == ["notes"]


async def test_a_page_that_is_allowed_may_change_them(
    agent: Agent, browser: Browser, documents: FakeDocuments, notes: str
) -> None:
    origin = "http://editor.example"
    agent.settings.set("server.allowed_origins", [origin])
    for method in ("PATCH", "DELETE"):
        asked = {"Access-Control-Request-Method": method}
        preflight = await browser.ask("OPTIONS", notes, headers={"Origin": origin, **asked})
        assert preflight.status == 204
        assert method in preflight.headers["Access-Control-Allow-Methods"].split(", ")
    deleted = await browser.ask("DELETE", notes, headers={"Origin": origin})
    assert (deleted.status, deleted.headers["Access-Control-Allow-Origin"]) == (200, origin)


async def test_the_scope_is_documents(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    agent.settings.set("server.require_token", True)
    for secret, status in (
        (agent.tokens.add("c", "chat", "embed", "models"), 403),
        (agent.tokens.add("d", "documents"), 200),
    ):
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await browser.ask("GET", PATH, headers=headers)).status == status
        answer = await browser.ask("POST", PATH, json={"name": "a"}, headers=headers)
        assert answer.status == status
