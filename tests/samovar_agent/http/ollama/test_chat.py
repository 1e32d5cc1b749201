"""`/api/chat` over HTTP."""

import asyncio
import json
from typing import Any

import pytest

from samovar_agent.engine.instances import Keep
from samovar_agent.http import sse
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import AnyJson, JsonSchema, Progress, Text, ToolCall, ToolCallArguments, ToolCallBegan
from tests.samovar_agent.http.conftest import Answer
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, FILLER, KEY, NAME, OllamaAgent, lines, sentence

LOADING = Progress(stage="loading", done=1, total=2)


async def test_it_streams_unless_told_otherwise(served: OllamaAgent) -> None:
    for more in ({}, {"stream": True}, {"stream": None}):
        *pieces, done = lines(await served.chat(**more))
        assert "".join(piece["message"]["content"] for piece in pieces) == "Hi there"
        assert {piece["model"] for piece in pieces} == {NAME} and not any(piece["done"] for piece in pieces)
        assert (done["done"], done["done_reason"]) == (True, "stop")
    answer = await served.chat(stream=False)
    assert answer.headers["Content-Type"] == "application/json"
    whole = answer.json()
    assert (whole["message"], whole["done"]) == ({"role": "assistant", "content": "Hi there"}, True)
    assert (whole["prompt_eval_count"], whole["eval_count"], whole["load_duration"]) == (12, 3, 200_000_000)


async def test_what_the_engine_is_asked_for(served: OllamaAgent) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    await served.chat(
        format=schema,
        options={"temperature": 0, "num_ctx": 256, "num_predict": 5},
        think="high",
        keep_alive="10m",
        logprobs=True,
        top_logprobs=3,
        truncate=True,
        shift=False,
    )
    model, messages, sampling, options = served.last_call
    assert (model, messages[0].content, sampling.temperature, sampling.max_tokens) == (KEY, "Hi", 0, 5)
    assert options.reply_format == JsonSchema(json_schema=schema)
    assert (options.thinking, options.template_arguments) == (True, {"reasoning_effort": "high"})
    assert (options.logprobs, options.top_logprobs) == (True, 3)
    assert served.instances.keeps == [Keep(600, 256)]
    assert "HTTP" not in served.instances.clients[0] and served.instances.clients[0].startswith("http 127.0.0.1")


@pytest.mark.parametrize(
    ("think", "thinking", "arguments"),
    [
        (None, None, {}),
        (False, False, {}),
        (True, True, {}),
        ("none", False, {}),
        ("low", True, {"reasoning_effort": "low"}),
    ],
)
async def test_thinking(served: OllamaAgent, think: Any, thinking: bool | None, arguments: dict[str, str]) -> None:
    await served.chat(think=think)
    assert (served.last_call[3].thinking, served.last_call[3].template_arguments) == (thinking, arguments)


async def test_formats(served: OllamaAgent) -> None:
    wanted: list[tuple[Any, Any]] = [
        (None, None),
        ("", None),
        ("json", AnyJson()),
        ({}, JsonSchema(json_schema={})),
    ]
    for given, expected in wanted:
        await served.chat(format=given)
        assert served.last_call[3].reply_format == expected


async def test_tools_and_their_answers(served: OllamaAgent) -> None:
    served.instances.items = [
        ToolCallBegan(index=0, id="call_9", name="add"),
        ToolCallArguments(index=0, json='{"x":1}'),
    ]
    served.instances.finish_reasons = ["tool_calls"]
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    first, done = lines(await served.chat(tools=tools))
    assert done["done_reason"] == "stop"
    said = [{"role": "user", "content": "1?"}, first["message"], {"role": "tool", "tool_name": "add", "content": "2"}]
    await served.chat(tools=tools, messages=said)
    _, messages, _, options = served.last_call
    assert messages[1].tool_calls == [ToolCall(id="call_9", name="add", arguments='{"x":1}')]
    assert (messages[2].tool_call_id, messages[2].name, options.tools[0].name) == ("call_9", "add", "add")


@pytest.mark.parametrize("messages", [[], None])
async def test_without_messages_it_loads_or_unloads(served: OllamaAgent, messages: Any) -> None:
    (loaded,) = lines(await served.chat(messages=messages, keep_alive=-1, options={"num_ctx": 64}))
    assert (loaded["done"], loaded["done_reason"], loaded["message"]["content"]) == (True, "load", "")
    assert served.instances.made_ready == [(KEY, "chat")] and served.instances.keeps == [Keep(None, 64)]
    assert (await served.chat(messages=messages, stream=False)).json()["done_reason"] == "load"
    for zero in (0, "0", "0s"):
        assert lines(await served.chat(messages=messages, keep_alive=zero))[0]["done_reason"] == "unload"
    assert (await served.chat(messages=messages, keep_alive=0, stream=False)).json()["done_reason"] == "unload"
    assert served.instances.released == [KEY] * 4 and len(served.instances.made_ready) == 2


async def test_a_model_that_loads_keeps_an_honest_status(served: OllamaAgent) -> None:
    for messages in ([{"role": "user", "content": "Hi"}], []):
        served.instances.items = [LOADING, SamovarError(FailureCode.NOT_ENOUGH_MEMORY, "No room.", hint="Unload one.")]
        answer = await served.chat(messages=messages)
        assert (answer.status, sentence(answer)) == (507, "No room. Unload one.")
    served.instances.items = [SamovarError(FailureCode.BUSY, "64 wait.")]
    answer = await served.chat()
    assert (answer.status, sentence(answer), answer.headers["Retry-After"]) == (429, "64 wait.", "2")


async def test_a_stream_that_waits_shows_life_in_lines_that_add_nothing(
    served: OllamaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    hold = asyncio.Event()
    for messages in ([{"role": "user", "content": "Hi"}], []):
        hold.clear()
        served.instances.items = [LOADING, hold, Text(text="Hi")]
        body = {"model": NAME, "messages": messages}
        async with served.browser.session.post(f"{served.url}/api/chat", json=body) as response:
            first = json.loads(await response.content.readline())
            hold.set()
            rest = [json.loads(line) async for line in response.content]
        assert (first["message"], first["done"]) == ({"role": "assistant", "content": ""}, False)
        assert first["samovar"] == "loading 50 %"
        assert rest[-1]["done"] is True
        assert "".join(piece["message"]["content"] for piece in rest) == ("Hi" if messages else "")


async def test_a_failure_in_the_middle_is_the_last_line(served: OllamaAgent) -> None:
    served.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    first, last = lines(await served.chat())
    assert first["message"]["content"] == "Once" and last == {"error": "The worker died."}
    answer = await served.chat(stream=False)
    assert (answer.status, sentence(answer)) == (502, "The worker died.")


async def test_what_the_model_cannot_do_is_said_in_the_words_that_clients_look_for(served: OllamaAgent) -> None:
    answer = await served.chat(model=EMBEDDER)
    assert (answer.status, sentence(answer)) == (400, f'"{EMBEDDER}" does not support chat.')
    answer = await served.chat(model=FILLER, think=True)
    assert (answer.status, sentence(answer)) == (400, f'"{FILLER}" does not support thinking.')
    assert (await served.chat(model=FILLER, think=False)).status == 200
    answer = await served.chat(model="llama3")
    assert answer.status == 404 and sentence(answer).startswith("model 'llama3' not found, try pulling it first.")


async def test_a_client_that_leaves_stops_the_work(served: OllamaAgent) -> None:
    served.instances.endless = True
    body = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}]}
    async with served.browser.session.post(f"{served.url}/api/chat", json=body) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(10):
        await served.instances.closed.wait()


async def test_what_ollamas_own_program_sends(served: OllamaAgent) -> None:
    more = {"_debug_render_only": False, "options": {}, "keep_alive": "5m0s", "format": ""}
    assert (await served.chat(**more)).status == 200
    assert (await served.generate(**more, suffix="", system="", template="")).status == 200
    assert (await served.post("show", model=NAME, name="", system="", template="", options=None)).status == 200
    assert (await served.post("pull", model="a/b", name="", username="", password="")).status == 200
    for answer in (await served.chat(_debug_render_only=True), await served.generate(_debug_render_only=True)):
        assert answer.status == 400 and "debug_render_only" in sentence(answer)


async def test_curl_as_ollamas_documentation_has_it(served: OllamaAgent) -> None:
    """Without a word about the body, whose type curl then makes up."""

    async def curl(method: str, path: str, body: Any) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "curl/8.5.0", "Accept": "*/*"}
        return await served.browser.ask(method, path, data=json.dumps(body).encode(), headers=headers)

    chat = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    assert (await curl("POST", "/api/chat", chat)).json()["done"]
    assert (await curl("POST", "/api/copy", {"source": NAME, "destination": "mine"})).status == 200
    assert (await curl("DELETE", "/api/delete", {"model": "mine"})).status == 200


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("more", [{}, {"messages": []}, {"messages": [], "keep_alive": 0}])
async def test_options_without_effect_are_named_and_break_nothing(
    served: OllamaAgent, stream: bool, more: dict[str, Any]
) -> None:
    """What people set in Open WebUI or take over from a Modelfile."""
    options = {"num_gpu": 99, "num_thread": 8, "use_mmap": False, "num_ctx": 64}
    answer = await served.chat(options=options, stream=stream, **more)
    assert answer.status == 200
    assert answer.headers["Samovar-Without-Effect"] == "options.num_gpu, options.num_thread, options.use_mmap"
    assert "Samovar-Without-Effect" not in (await served.chat(stream=stream, **more)).headers


@pytest.mark.parametrize("stream", [True, False])
async def test_that_nothing_is_cut_is_told_to_who_asked_for_it(served: OllamaAgent, stream: bool) -> None:
    for ask in (served.chat, served.generate):
        answer = await ask(truncate=True, shift=True, stream=stream, options={"num_gpu": 99})
        assert answer.headers["Samovar-Without-Effect"] == "options.num_gpu, shift, truncate"
        answer = await ask(truncate=False, shift=False, stream=stream)
        assert (answer.status, answer.headers.get("Samovar-Without-Effect")) == (200, None)
