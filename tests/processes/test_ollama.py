"""Ollama's interface of the running agent, as its official client meets it, with a real model."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import ollama
import pytest

from tests.processes.agent import PATIENCE, AgentProcess

pytestmark = [pytest.mark.processes, pytest.mark.model]

MODEL = "smollm2:135m"
SHOWN = "HuggingFaceTB/SmolLM2-135M-Instruct:latest"
HELLO = [{"role": "user", "content": "Say hello."}]
SURE = {"temperature": 0, "num_predict": 8}
"""A model as small as this one says what it likes; what is tested is what becomes of it."""


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@pytest.fixture
async def client(loaded: AgentProcess) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=loaded.url, timeout=2 * PATIENCE) as client:
        yield client


async def in_memory(client: ollama.AsyncClient) -> list[tuple[str | None, int | None]]:
    return [(one.model, one.context_length) for one in (await client.ps()).models]


async def empty(client: ollama.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while await in_memory(client):
            await asyncio.sleep(0.05)


async def test_chat_and_generate(client: ollama.AsyncClient) -> None:
    assert [entry.model for entry in (await client.list()).models] == [SHOWN]
    whole = await client.chat(model=MODEL, messages=HELLO, options=SURE)
    assert whole.message.content and whole.done_reason in ("stop", "length")
    assert whole.prompt_eval_count and whole.eval_count and whole.total_duration and whole.load_duration
    parts = [part async for part in await client.chat(model=SHOWN, messages=HELLO, options=SURE, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    generated = await client.generate(model=MODEL, prompt="Say hello.", options=SURE, logprobs=True, top_logprobs=2)
    assert generated.response == whole.message.content
    assert generated.logprobs is not None and len(generated.logprobs[0].top_logprobs or ()) == 2
    prompt = "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"
    assert (await client.generate(model=MODEL, prompt=prompt, raw=True, options=SURE)).response


async def test_formats_and_tools(client: ollama.AsyncClient) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"age": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["age"],
    }
    reply = await client.chat(model=MODEL, messages=HELLO, format=schema, options={"temperature": 0, "seed": 1})
    assert 1 <= json.loads(reply.message.content or "")["age"] <= 9
    said: list[dict[str, Any]] = [
        *HELLO,
        {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": {"x": 1, "y": 2}}}]},
        {"role": "tool", "tool_name": "add", "content": "3"},
    ]
    assert (await client.chat(model=MODEL, messages=said, tools=[add], options=SURE)).done
    with pytest.raises(ollama.ResponseError, match="insert") as caught:
        await client.generate(model=MODEL, prompt="a", suffix="b")
    assert caught.value.status_code == 400


async def test_how_long_it_stays_and_with_how_much_context(client: ollama.AsyncClient) -> None:
    assert (await client.generate(model=MODEL, options={"num_ctx": 512})).done_reason == "load"
    assert await in_memory(client) == [(SHOWN, 512)]
    await client.chat(model=MODEL, messages=HELLO, options={**SURE, "num_ctx": 256})
    assert await in_memory(client) == [(SHOWN, 512)]
    await client.chat(model=MODEL, messages=HELLO, options={**SURE, "num_ctx": 1024})
    assert await in_memory(client) == [(SHOWN, 1024)]
    await client.chat(model=MODEL, messages=HELLO, options=SURE, keep_alive=0)
    await empty(client)
    await client.chat(model=MODEL, messages=HELLO, options=SURE, keep_alive=-1)
    assert (await client.generate(model=MODEL, keep_alive=0)).done_reason == "unload"
    assert await in_memory(client) == []


async def test_a_copy_and_its_end(client: ollama.AsyncClient) -> None:
    await client.copy(MODEL, "backup")
    assert {entry.model for entry in (await client.list()).models} == {SHOWN, "backup:latest"}
    shown = await client.show("backup")
    assert shown.modelinfo is not None and shown.modelinfo["llama.context_length"] == 8192
    assert "completion" in (shown.capabilities or [])
    assert (await client.chat(model="backup", messages=HELLO, options=SURE)).message.content
    await client.delete("backup")
    await client.delete(MODEL)  # in memory, and used by nobody
    assert (await client.list()).models == [] and await in_memory(client) == []
    with pytest.raises(ollama.ResponseError, match="try pulling it first"):
        await client.chat(model=MODEL, messages=HELLO)


async def test_vectors(client: ollama.AsyncClient, minilm: str) -> None:
    long = "The samovar boils water. " * 500
    found = await client.embed(model=minilm, input=["The samovar boils water.", long])
    assert [len(vector) for vector in found.embeddings] == [384, 384]
    assert found.prompt_eval_count and found.prompt_eval_count > 256
    assert sum(number * number for number in found.embeddings[1]) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ollama.ResponseError, match="tokens"):
        await client.embed(model=minilm, input=long, truncate=False)
    assert len((await client.embeddings(model=minilm, prompt="Tea")).embedding) == 384


async def test_a_pull_that_the_policy_forbids(client: ollama.AsyncClient, loaded: AgentProcess) -> None:
    assert loaded.cli("network", "offline").returncode == 0
    with pytest.raises(ollama.ResponseError, match="offline"):
        [part async for part in await client.pull("nobody/nothing", stream=True)]
    with pytest.raises(ollama.ResponseError, match="no model") as caught:
        await client.pull("nobody-has-this:7b")
    assert caught.value.status_code == 404
