"""Documents over HTTP with a real agent and real models: the official client, plain requests, and sudden ends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from tests.processes.agent import PATIENCE, AgentProcess, soon

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

MODEL = "smollm2-135m"
TEXTS = {
    "kettle.txt": "The samovar was made in Tula in 1778 by the Lisitsyn brothers. It boils water for tea.",
    "roses.txt": "Roses want sun, and water in the morning. They are cut back in March.",
    "übung zwei.txt": "The exam takes place on the third of June in room twelve.",
}

SAID: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"enum": ["It was made in Tula in 1778 [1]."]}},
    "required": ["answer"],
}
"""A model as small as this one cites when it likes; what is tested is what becomes of a citation."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
async def http(agent: AgentProcess) -> AsyncIterator[aiohttp.ClientSession]:
    # A reply takes as long as it takes: where eight want two cores, two minutes. But never is a stream silent so long.
    async with aiohttp.ClientSession(agent.url, timeout=aiohttp.ClientTimeout(total=600, sock_read=90)) as session:
        yield session


def sdk(agent: AgentProcess, token: str = "not needed") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key=token, max_retries=0)


async def upload(client: openai.AsyncOpenAI, name: str, text: str) -> str:
    return (await client.files.create(file=(name, text.encode()), purpose="assistants")).id


async def embedded(agent: AgentProcess, collection: str) -> None:
    """A file is completed when its words are found; its vectors come a moment later."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(agent.url) as http:
        while True:
            found = (await plain(http, "GET", f"collections/{collection}"))["collection"]
            if found["embedded"] == found["chunks"] > 0:
                return
            await asyncio.sleep(0.05)


async def completed(client: openai.AsyncOpenAI, store: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await client.vector_stores.retrieve(store)).status != "completed":
            await asyncio.sleep(0.05)


async def plain(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **options: Any) -> Any:
    """As curl would; the reply of a request that must work."""
    async with http.request(method, f"/api/samovar/{path}", json=body, **options) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def events(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> list[Any]:
    """What a streamed reply tells; `[DONE]`, which must be its end, left out."""
    async with http.post(f"/api/samovar/{path}", json={**body, "stream": True}) as reply:
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        lines = [line[6:].strip() async for line in reply.content if line.startswith(b"data: ")]
    assert lines.pop() == b"[DONE]"
    return [json.loads(line) for line in lines]


@pytest.mark.model
async def test_files_from_upload_to_answer_by_the_official_client(loaded: AgentProcess, minilm: str) -> None:
    async with sdk(loaded) as client:
        ids = {name: await upload(client, name, text) for name, text in TEXTS.items()}
        store = (await client.vector_stores.create(name="Notes", metadata={"of": "a test"})).id
        for number, id_ in enumerate(ids.values()):
            file = await client.vector_stores.files.create_and_poll(
                id_, vector_store_id=store, attributes={"year": 2020 + number}, poll_interval_ms=50
            )
            assert file.status == "completed"
        await completed(client, store)
        await embedded(loaded, "Notes")

        page = await client.vector_stores.search(store, query="Which machine makes hot drinks?")
        best = page.data[0]
        assert (best.file_id, best.filename, best.attributes) == (ids["kettle.txt"], "kettle.txt", {"year": 2020.0})
        assert page.model_extra is not None and page.model_extra["samovar"]["method"] == "words and vectors"
        later: Any = {"type": "gt", "key": "year", "value": 2020}
        found = await client.vector_stores.search(store, query="water for tea", filters=later)
        assert {result.file_id for result in found.data} <= {ids["roses.txt"], ids["übung zwei.txt"]}
        assert found.data

        search: Any = {"type": "file_search", "vector_store_ids": [store], "max_num_results": 2}
        asked: Any = {
            "model": MODEL,
            "input": "Where and when was the samovar made?",
            "text": {"format": {"type": "json_schema", "name": "said", "schema": SAID}},
            "temperature": 0,
            "max_output_tokens": 60,
            "include": ["file_search_call.results"],
        }
        whole = await client.responses.create(**asked, tools=[search])
        async with client.responses.stream(**asked, tools=[search]) as stream:
            kinds = {event.type async for event in stream}
            streamed = await stream.get_final_response()
        assert whole.output_text == streamed.output_text
        assert {"response.file_search_call.completed", "response.output_text.annotation.added"} <= kinds
        outputs: list[Any] = [whole.output, streamed.output]
        for call, message in outputs:
            assert {result.file_id for result in call.results} <= set(ids.values())
            assert call.results[0].attributes == {"year": 2020.0}
            [part] = message.content
            [citation] = part.annotations
            cited = (citation.type, citation.file_id, citation.filename, citation.index)
            assert cited == ("file_citation", ids["kettle.txt"], "kettle.txt", part.text.index("[1]"))
        del asked["text"]
        nothing: Any = {**search, "filters": {"type": "eq", "key": "year", "value": 1999}}
        assert (await client.responses.create(**asked, tools=[nothing])).output_text == "Not in these documents."

        assert (await client.vector_stores.files.delete(ids["roses.txt"], vector_store_id=store)).deleted
        assert (await client.files.delete(ids["kettle.txt"])).deleted
        left = [file.id async for file in client.vector_stores.files.list(store)]
        assert left == [ids["übung zwei.txt"]]
        found = await client.vector_stores.search(store, query="samovar Tula")
        assert {result.file_id for result in found.data} <= {ids["übung zwei.txt"]}
        assert (await client.vector_stores.delete(store)).deleted
        assert sorted([file.id async for file in client.files.list()]) == sorted(
            [ids["roses.txt"], ids["übung zwei.txt"]]
        )


async def test_what_was_acknowledged_survives_a_killed_agent(agent: AgentProcess) -> None:
    async with sdk(agent) as client:
        ids = [await upload(client, name, text) for name, text in TEXTS.items()]
    agent.kill()
    agent.up()
    async with sdk(agent) as client:
        assert {file.id for file in (await client.files.list()).data} == set(ids)
        assert (await client.files.content(ids[0])).read() == TEXTS["kettle.txt"].encode()
        store = (await client.vector_stores.create(name="Notes", file_ids=ids[:2])).id
        batch = await client.vector_stores.file_batches.create(store, file_ids=ids[2:], attributes={"exam": True})
    agent.kill()
    agent.up()
    async with sdk(agent) as client:
        await completed(client, store)
        read = await client.vector_stores.file_batches.poll(batch.id, vector_store_id=store, poll_interval_ms=50)
        assert (read.status, read.file_counts.completed) == ("completed", 1)
        files = {file.id: file async for file in client.vector_stores.files.list(store)}
        assert {id_: file.status for id_, file in files.items()} == dict.fromkeys(ids, "completed")
        assert files[ids[2]].attributes == {"exam": True}
        for id_, words in zip(ids, ("Lisitsyn brothers", "cut back in March", "room twelve"), strict=True):
            assert (await client.vector_stores.search(store, query=words)).data[0].file_id == id_


async def test_an_upload_that_does_not_end_leaves_no_file(agent: AgentProcess) -> None:
    incoming = agent.places.data / "files" / "incoming"
    form = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="half.txt"\r\n\r\n'
    )
    head = (
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 2000000\r\n\r\n"
    )
    host, port = agent.url.removeprefix("http://").split(":")
    async with sdk(agent) as client:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as slow:
            slow.sendall(head + form + b"a" * 1_000_000)
            await soon(lambda: any(incoming.glob("*")))
            slow.sendall(b"a" * 10)
            assert (await client.files.list()).data == []
        await soon(lambda: not any(incoming.glob("*")))
        assert (await client.files.list()).data == []
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as interrupted:
            interrupted.sendall(head + form + b"a" * 1_000_000)
            await soon(lambda: any(incoming.glob("*")))
            agent.kill()
    agent.up()
    async with sdk(agent) as client:
        assert (await client.files.list()).data == []
        id_ = await upload(client, "whole.txt", "All of it.")
        assert [file.id for file in (await client.files.list()).data] == [id_]
    files = [path for path in (agent.places.data / "files").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["whole.txt"], "what the killed agent had begun is swept"


@pytest.mark.model
async def test_our_own_routes_once_through(
    loaded: AgentProcess, http: aiohttp.ClientSession, home: Path, tmp_path: Path
) -> None:
    created = await plain(http, "POST", "collections", {"name": "my notes"})
    assert (created["collection"]["name"], created["collection"]["documents"]) == ("my notes", 0)
    *progress, added = await events(http, "collections/my%20notes/documents", {"paths": [str(home)]})
    assert progress and {one["type"] for one in progress} == {"progress"}
    assert added["added"] == 3
    pasted = {"text": "The key lies under the mat.", "name": "where", "wait": True}
    assert (await plain(http, "POST", "collections/my%20notes/documents", pasted))["added"] == 1

    listed = await plain(http, "GET", "collections/my%20notes/documents")
    ids = {one["name"]: one["id"] for one in listed["documents"]}
    assert set(ids) == {*TEXTS, "where"}
    text = await plain(http, "GET", f"documents/{ids['übung zwei.txt']}/text?start=4&end=8")
    assert text["text"] == "exam"
    found = await plain(http, "POST", "documents/search", {"query": "under the mat", "collections": ["my notes"]})
    assert (found["passages"][0]["document"], found["method"]) == (ids["where"], "words")

    talk = await plain(http, "POST", "conversations", {"title": "Tea", "collections": ["my notes"]})
    number = talk["conversation"]["id"]
    question = {"question": "Where was the samovar made?", "conversation": number, "sampling": {"max_tokens": 8}}
    *pieces, answer = await events(http, "documents/ask", question)
    assert "".join(one["text"] for one in pieces if one["type"] == "text") == answer["text"] != ""
    shown = await plain(http, "GET", f"conversations/{number}")
    assert [one["message"]["role"] for one in shown["messages"]] == ["user", "assistant"]
    await plain(http, "PATCH", f"conversations/{number}", {"title": "Samovars"})
    assert [one["title"] for one in (await plain(http, "GET", "conversations"))["conversations"]] == ["Samovars"]
    assert (await plain(http, "DELETE", f"conversations/{number}"))["found"]

    path = str(tmp_path / "notes.samovar-docs")
    *_, exported = await events(http, "collections/my%20notes/export", {"path": path})
    assert exported["documents"] == 4
    *_, imported = await events(http, "documents/import", {"path": path, "name": "again"})
    assert imported["collection"]["documents"] == 4
    await plain(http, "POST", "collections/my%20notes/watch", {"path": str(home), "watch": False})
    assert (await plain(http, "POST", "documents/retry", {"collection": "again"}))["queued"] == 0
    assert (await plain(http, "DELETE", f"collections/my%20notes/documents/{ids['where']}"))["removed"] == 1
    assert (await plain(http, "DELETE", "collections/my%20notes/documents", {"paths": [str(home)]}))["removed"] == 3
    await plain(http, "PATCH", "collections/my%20notes", {"rename": "old"})
    assert (await plain(http, "DELETE", "collections/old"))["removed"] == 0
    assert [one["name"] for one in (await plain(http, "GET", "collections"))["collections"]] == ["again"]


async def test_a_token_needs_the_scope(agent: AgentProcess) -> None:
    def token(name: str, *scopes: str) -> str:
        asked = [part for scope in scopes for part in ("--scope", scope)]
        return agent.cli("server", "token", "create", name, *asked).stdout.strip()

    without, with_ = token("chat only", "chat"), token("documents", "documents", "chat")
    assert agent.cli("config", "set", "server.require_token", "true").returncode == 0
    async with sdk(agent, without) as client:
        with pytest.raises(openai.PermissionDeniedError, match="documents"):
            await upload(client, "a.txt", "a")
        with pytest.raises(openai.PermissionDeniedError):
            await client.vector_stores.create(name="x")
    async with sdk(agent, with_) as client:
        assert await upload(client, "a.txt", "a")
        store = (await client.vector_stores.create(name="x")).id
    async with sdk(agent, without) as client:
        search: Any = {"type": "file_search", "vector_store_ids": [store]}
        with pytest.raises(openai.PermissionDeniedError):
            await client.responses.create(model=MODEL, input="?", tools=[search])
    for given, status in ((without, 403), (with_, 200), ("sk-samovar-nobody", 401)):
        headers = {"Authorization": f"Bearer {given}"}
        async with (
            aiohttp.ClientSession(agent.url, headers=headers) as http,
            http.get("/api/samovar/collections") as reply,
        ):
            assert reply.status == status
