"""The official client is the judge."""

from typing import Any

import ollama
import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    InstanceInfo,
    Progress,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, FILLER, KEY, NAME, OllamaAgent

HELLO = [{"role": "user", "content": "Hello?"}]


def add(x: int, y: int) -> int:
    """Add two numbers.

    Args:
        x: The first.
        y: The second.
    """
    return x + y


async def test_chat(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    reply = await client.chat(model=NAME, messages=HELLO, options={"temperature": 0, "seed": 1}, keep_alive="5m")
    assert (reply.message.content, reply.done, reply.done_reason) == ("Hi there", True, "stop")
    assert (reply.prompt_eval_count, reply.eval_count, reply.eval_duration) == (12, 3, 500_000_000)
    await client.chat(model=NAME, messages=[*HELLO, reply.message, *HELLO], options=ollama.Options(num_ctx=64))
    assert [message.role for message in served.last_call[1]] == ["user", "assistant", "user"]


async def test_a_stream(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    served.instances.items = [Progress(stage="loading", done=1, total=2), Text(text="a\u2028b"), Text(text="\x85c")]
    parts = [part async for part in await client.chat(model="tiny", messages=HELLO, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == "a\u2028b\x85c"
    assert [part.done for part in parts] == [False, False, True]


async def test_tools_made_of_functions(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    served.instances.items = [
        Thinking(text="A sum"),
        ToolCallBegan(index=0, id="c", name="add"),
        ToolCallArguments(index=0, json='{"x": 1, "y": 2}'),
    ]
    served.instances.finish_reasons = ["tool_calls"]
    reply = await client.chat(model=NAME, messages=HELLO, tools=[add], think=True)
    assert reply.message.thinking == "A sum" and reply.message.tool_calls is not None
    assert reply.message.tool_calls[0].function.arguments == {"x": 1, "y": 2}
    (tool,) = served.last_call[3].tools
    assert (tool.name, set(tool.parameters["properties"])) == ("add", {"x", "y"})
    answer = {"role": "tool", "tool_name": "add", "content": "3"}
    await client.chat(model=NAME, messages=[*HELLO, reply.message, answer], tools=[add])
    messages = served.last_call[1]
    assert messages[1].tool_calls[0].arguments == '{"x":1,"y":2}' and messages[1].reasoning == "A sum"
    assert (messages[2].name, messages[2].tool_call_id) == ("add", messages[1].tool_calls[0].id)


async def test_formats_and_logprobs(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    other = TokenLogprob(text="Ho", data=b"Ho", logprob=-2.0)
    served.instances.items = [
        Text(text="Hi", logprobs=[TokenLogprob(text="Hi", data=b"Hi", logprob=-0.5, top=[other])])
    ]
    reply = await client.chat(model=NAME, messages=HELLO, format={"type": "object"}, logprobs=True, top_logprobs=1)
    assert reply.logprobs is not None and reply.logprobs[0].top_logprobs is not None
    assert (reply.logprobs[0].logprob, reply.logprobs[0].top_logprobs[0].token) == (-0.5, "Ho")
    for form in ("json", ""):
        await client.chat(model=NAME, messages=HELLO, format=form)


async def test_generate(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    reply = await client.generate(model=NAME, prompt="Hi", system="Be brief.")
    assert (reply.response, reply.done_reason) == ("Hi there", "stop")
    parts = [part async for part in await client.generate(model=FILLER, prompt="a", suffix="b", stream=True)]
    assert "".join(part.response or "" for part in parts) == "Hi there"
    assert served.instances.gone_on == [("a", "b")]
    assert (await client.generate(model=NAME)).done_reason == "load"
    assert (await client.generate(model=NAME, keep_alive=0)).done_reason == "unload"
    with pytest.raises(ollama.ResponseError, match="context"):
        await client.generate(model=NAME, prompt="Hi", context=[1])


async def test_vectors(client: ollama.AsyncClient) -> None:
    found = await client.embed(model=EMBEDDER, input=["a"], truncate=True, dimensions=2)
    assert found.embeddings == [[0.5, -1.0]]
    assert (await client.embeddings(model=EMBEDDER, prompt="a")).embedding == [0.5, -1.0]


async def test_lists(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    listed = (await client.list()).models
    assert NAME in [entry.model for entry in listed] and all(entry.digest for entry in listed)
    shown = await client.show(NAME)
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.modelinfo is not None and shown.modelinfo["llama.context_length"] == 512
    assert shown.modified_at is not None
    served.instances.loaded = [InstanceInfo(identifier=KEY, model=KEY, state="ready", context_length=9)]
    (running,) = (await client.ps()).models
    assert (running.model, running.context_length) == (NAME, 9) and running.expires_at is not None


async def test_pull(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    served.downloads.progress = [Progress(stage="downloading", done=5, total=10)]
    parts = [part async for part in await client.pull("a/b", stream=True)]
    assert [part.status for part in parts][::2] == ["pulling manifest", "success"]
    assert (parts[1].completed, parts[1].total) == (5, 10)
    assert (await client.pull("a/b")).status == "success"
    served.downloads.reply = SamovarError(FailureCode.NETWORK_FAILED, "It broke.")
    with pytest.raises(ollama.ResponseError, match="It broke"):
        [part async for part in await client.pull("a/b", stream=True)]


async def test_copy_and_delete(client: ollama.AsyncClient) -> None:
    assert (await client.copy("tiny", "backup")).status == "success"
    assert (await client.show("backup")).capabilities
    assert (await client.delete("backup")).status == "success"
    assert (await client.delete("tiny")).status == "success"
    with pytest.raises(ollama.ResponseError) as caught:
        await client.delete("tiny")
    assert caught.value.status_code == 404


async def test_what_is_refused(client: ollama.AsyncClient, tmp_path: Any) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 1000)
    calls = [
        client.create(model="x", from_="tiny"),
        client.push("tiny"),
        client.create_blob(file),
        client.chat(model=NAME, messages=[{"role": "user", "content": "Hi", "images": [b"x"]}]),
    ]
    for call in calls:
        with pytest.raises(ollama.ResponseError) as caught:
            await call
        assert caught.value.status_code == 400 and caught.value.error


async def test_failures(served: OllamaAgent, client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError, match="not found, try pulling it first") as caught:
        await client.chat(model="llama3", messages=HELLO)
    assert caught.value.status_code == 404
    served.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    with pytest.raises(ollama.ResponseError, match="The worker died"):
        [part async for part in await client.chat(model=NAME, messages=HELLO, stream=True)]
    served.agent.settings.set("server.require_token", True)
    with pytest.raises(ollama.ResponseError, match="token") as caught:
        await client.list()
    assert caught.value.status_code == 401
