"""An hour with Samovar in half a minute: everything that needs no network, for tests that take the network away."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import aiohttp
import openai
import pytest

from samovar.requests import Ls, Ps, Status
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import CatalogRefresh, DocsAsk, DocsSearch
from samovar_protocol.values import Sampling
from tests.processes.agent import AgentProcess, first_text, reply_to, short, until
from tests.samovar_agent.documents.extraction import samples

NO_NETWORK = 6
"""The command line's exit code where something needs the network."""

_PROMPT = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0}


def use_everything(agent: AgentProcess, chat_model: Path, embedder: Path) -> None:
    """Use an agent that runs, but cannot or must not reach the network; raises AssertionError where something fails."""
    _library(agent, chat_model, embedder)
    _command_line(agent, embedder)
    _documents(agent)
    asyncio.run(_http(agent))
    asyncio.run(_control_socket(agent))
    _what_needs_the_network(agent)


def _ok(agent: AgentProcess, *arguments: str, stdin: str | None = None) -> str:
    run = agent.cli(*arguments, stdin=stdin)
    assert run.returncode == 0, (arguments, run.stdout, run.stderr, agent.logs())
    return run.stdout


def _library(agent: AgentProcess, chat_model: Path, embedder: Path) -> None:
    for path in (chat_model, embedder):
        _ok(agent, "import", str(path), "--link")
    assert len(agent.json("ls")["models"]) == 2
    _ok(agent, "verify", "smollm2-135m")
    _ok(agent, "load", "smollm2-135m")
    assert "smollm2" in _ok(agent, "ps").lower()


def _command_line(agent: AgentProcess, embedder: Path) -> None:
    assert _ok(agent, "run", "smollm2-135m", "Say hello.", "--max-tokens", "16").strip()
    assert _ok(agent, "chat", "smollm2-135m", "-p", "Say hello.", "--max-tokens", "4").strip()
    name = next(model["key"] for model in agent.json("ls")["models"] if "smollm2" not in model["key"].lower())
    vectors = _ok(agent, "embed", name, "-", stdin="one\ntwo\n").splitlines()
    assert len(vectors) == 2, embedder
    assert len(json.loads(vectors[0])) > 1
    assert "smollm2" in _ok(agent, "catalog").lower()
    for command in ("status", "ls", "logs", "downloads", "config ls", "network status", "server status"):
        _ok(agent, *command.split())
    agent.cli("doctor")  # it may find something to say about the machine


def _documents(agent: AgentProcess) -> None:
    root = agent.home.with_name("notes")
    root.mkdir()
    (root / "tea.md").write_text("# Tea\n\nA samovar keeps the water for tea warm.\n")
    (root / "report.pdf").write_bytes(samples.pdf([[(12, "The ice lost four metres in 2025.")]]))
    (root / "leaves.docx").write_bytes(samples.docx())
    (root / "page.html").write_text('<img src="http://192.0.2.3/pixel.png"><p>A page with a picture of elsewhere.</p>')
    _ok(agent, "docs", "add", str(root), "--collection", "notes")
    found = agent.json("docs", "search", "samovar")
    assert found["method"] == "words and vectors"
    assert found["passages"]
    assert agent.json("docs", "search", "metres")["passages"]
    answer = agent.json("docs", "ask", "What keeps the water warm?", "--model", "smollm2-135m", "--max-tokens", "8")
    assert answer["text"].strip()
    (root / "later.md").write_text("It was written later, about penguins.")
    until(lambda: bool(agent.json("docs", "search", "penguins", "--words")["passages"]))
    copy = agent.home.with_name("notes.samovar-docs")
    _ok(agent, "docs", "export", "notes", str(copy))
    _ok(agent, "docs", "import", str(copy), "--name", "copy")
    assert agent.json("docs", "ls", "--collection", "copy")["documents"]
    _ok(agent, "docs", "delete", "copy", "--yes")


async def _http(agent: AgentProcess) -> None:
    async with aiohttp.ClientSession(agent.url) as http, http.get("/health") as reply:
        assert reply.status == 200
    async with openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key="none", max_retries=0) as client:
        assert len((await client.models.list()).data) == 2
        whole = await client.chat.completions.create(**_PROMPT, max_tokens=4)  # type: ignore[call-overload]
        assert whole.choices[0].message.content
        stream = await client.chat.completions.create(**_PROMPT, max_tokens=4, stream=True)  # type: ignore[call-overload]
        assert [chunk async for chunk in stream]
        embedder = next(model.id for model in (await client.models.list()).data if "smollm2" not in model.id.lower())
        assert (await client.embeddings.create(model=embedder, input="one")).data[0].embedding
        await _vector_store(client)


async def _vector_store(client: openai.AsyncOpenAI) -> None:
    """Documents as programs for OpenAI's service use them."""
    file = await client.files.create(file=("moon.md", b"The moon is far away."), purpose="assistants")
    store = await client.vector_stores.create(name="sky")
    batch = await client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id], poll_interval_ms=20)
    assert batch.file_counts.completed == 1
    found = (await client.vector_stores.search(store.id, query="moon")).data
    assert "far away" in found[0].content[0].text
    reply = await client.responses.create(
        model="smollm2-135m",
        input="How far is the moon?",
        tools=[{"type": "file_search", "vector_store_ids": [store.id]}],
        max_output_tokens=16,
    )
    assert reply.output


async def _control_socket(agent: AgentProcess) -> None:
    """As the popup and the tray do it."""
    async with agent.client() as client:
        status = await client.call(Status())
        assert status.pid == agent.endpoint.pid
        assert len((await client.call(Ls())).models) == 2
        async with client.stream(short("smollm2-135m")) as stream:
            assert (await first_text(stream)).text
        assert await reply_to(client, short("smollm2-135m"))
        assert (await client.call(Ps())).instances
        assert (await client.call(DocsSearch(query="samovar"))).passages
        question = DocsAsk(question="What keeps the water warm?", sampling=Sampling(max_tokens=4), whole=False)
        assert (await client.call(question)).given == "passages"


def _what_needs_the_network(agent: AgentProcess) -> None:
    """It is refused at once and in words, and does no harm."""
    agent.cli("search", "llama")  # shows what the catalog has
    for arguments in (["get", "someone/nothing-GGUF"], ["get", "https://files.example/tiny-Q4_0.gguf"]):
        started = time.monotonic()
        run = agent.cli(*arguments)
        assert run.returncode == NO_NETWORK, (arguments, run.stdout, run.stderr)
        assert run.stderr.strip(), arguments
        assert time.monotonic() - started < 10, "nobody waits for a network that is not there"
    asyncio.run(_refresh(agent))
    rows = json.loads(_ok(agent, "network", "journal", "--json"))
    entries = rows["entries"] if isinstance(rows, dict) else rows
    assert all(entry["outcome"] == "refused" for entry in entries), entries
    assert all(not entry["bytes_sent"] for entry in entries), entries


async def _refresh(agent: AgentProcess) -> None:
    async with agent.client() as client:
        with pytest.raises(SamovarError) as raised:
            await client.call(CatalogRefresh())
        assert raised.value.code == FailureCode.NETWORK_OFFLINE
