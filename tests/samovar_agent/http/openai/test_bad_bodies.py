"""Whatever is sent to a route: a refusal that says what is wrong, never a failure of ours, and the agent stays well."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

HELLO = {"role": "user", "content": "Hello?"}
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": KEY, "messages": [HELLO]},
    "/v1/completions": {"model": KEY, "prompt": "Once"},
    "/v1/embeddings": {"model": KEY, "input": "x"},
    "/v1/rerank": {"model": KEY, "query": "x", "documents": ["a", "b"]},
    "/v1/responses": {"model": KEY, "input": "Hello?"},
    "/v1/responses/input_tokens": {"model": KEY, "input": "Hello?"},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
    "/tokenize": {"content": "x"},
    "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": [HELLO]},
}
SAMPLED = ("/v1/chat/completions", "/v1/completions", "/infill", "/apply-template")

NO_JSON = {
    "nothing": b"",
    "no object": b"[]",
    "a number": b"5",
    "null": b"null",
    "cut off": b'{"model": "x"',
    "two": b"{} {}",
    "no UTF-8": b'{"model": "\xff"}',
    "UTF-16": '{"model": "x"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "single quotes": b"{'model': 'x'}",
    "deep": b'{"model":' + b"[" * 100_000,
    "deep and closed": b'{"messages":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}
WRONG_VALUES: list[Any] = [
    5,
    -1,
    1.5,
    True,
    "x",
    "",
    [],
    {},
    [None],
    [[[]]],
    {"a": {"b": 1}},
    10**30,
    -(10**30),
    "x" * 5000,
]
NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1" * 5000,
    "-" + "9" * 400,
    "-0.0",
    "1e-999",
    "0x10",
    "+1",
]


async def refused(agent: ResponsesAgent, path: str, body: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    answer = await agent.browser.ask("POST", path, data=body, headers=headers)
    assert answer.status == 400, (path, answer.status, body[:200], answer.body[:300])
    return answer.error


async def survives(agent: ResponsesAgent, path: str, body: bytes) -> None:
    """Whatever it is, it is accepted, or refused with the field's name."""
    headers = {"Content-Type": "application/json"}
    answer = await agent.browser.ask("POST", path, data=body, headers=headers)
    assert answer.status in (200, 400, 404), (path, answer.status, body[:200], answer.body[:300])
    assert answer.status == 200 or answer.error["message"]


@pytest.fixture(autouse=True)
async def well(responses: ResponsesAgent) -> Any:
    """The agent answers afterwards."""
    yield
    assert (await responses.browser.ask("GET", "/health")).status == 200
    assert (await responses.browser.chat()).status == 200


@pytest.mark.parametrize("path", GOOD)
async def test_the_bodies_that_are_changed_here_are_good(responses: ResponsesAgent, path: str) -> None:
    answer = await responses.browser.ask("POST", path, json=GOOD[path])
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("path", GOOD)
async def test_what_is_no_json_object(responses: ResponsesAgent, path: str, body: bytes) -> None:
    assert (await refused(responses, path, body))["message"]


@pytest.mark.parametrize("path", GOOD)
async def test_missing_fields_are_named(responses: ResponsesAgent, path: str) -> None:
    responses.instances.only = ["a/coder", "b/writer"]  # or a missing model is the only one
    for name in GOOD[path]:
        body = {key: value for key, value in GOOD[path].items() if key != name}
        error = await refused(responses, path, json.dumps(body).encode())
        assert error["param"] == name and name in error["message"]


@pytest.mark.parametrize("path", GOOD)
async def test_wrong_types(responses: ResponsesAgent, path: str) -> None:
    for name in GOOD[path]:
        for value in WRONG_VALUES:
            await survives(responses, path, json.dumps({**GOOD[path], name: value}).encode())
        for value in (True, {"a": {"b": 1}}, 1.5):
            error = await refused(responses, path, json.dumps({**GOOD[path], name: value}).encode())
            assert (error["param"] or "").startswith(name)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("path", SAMPLED)
async def test_numbers_that_are_none(responses: ResponsesAgent, path: str, number: str) -> None:
    for name in ("temperature", "top_p", "seed", "max_tokens", "top_k", "repeat_penalty", "ttl", "n"):
        body = json.dumps({**GOOD[path], name: "HERE"}).replace('"HERE"', number).encode()
        await survives(responses, path, body)
    if number in ("NaN", "Infinity", "-Infinity", "0x10", "+1"):
        body = json.dumps({**GOOD[path], "temperature": "HERE"}).replace('"HERE"', number).encode()
        await refused(responses, path, body)


@pytest.mark.parametrize("path", GOOD)
async def test_lone_surrogates_and_keys_that_are_there_twice(responses: ResponsesAgent, path: str) -> None:
    good = json.dumps(GOOD[path])
    for name in GOOD[path]:
        await refused(responses, path, json.dumps({**GOOD[path], name: "\ud800"}).encode())
        await refused(responses, path, json.dumps({**GOOD[path], name: ["\udfff x"]}).encode())
        await survives(responses, path, (good[:-1] + f', "{name}": null}}').encode())
    await survives(responses, path, b'{"\\ud800": 1}')
    await survives(responses, path, json.dumps({**GOOD[path], "x" * 5000: 1}).encode())
    await survives(responses, path, json.dumps({**GOOD[path], "\u2028\x00": 1}).encode())


OTHER: dict[str, Any] = {
    "model": "some/other",
    "messages": [{"role": "user", "content": "Other."}],
    "prompt": "Other.",
    "input": "Other.",
    "query": "Other.",
    "documents": ["other"],
    "input_prefix": "other",
    "input_suffix": "other",
    "content": "Other.",
    "tokens": [2],
}


@pytest.mark.parametrize("path", GOOD)
async def test_of_keys_that_are_there_twice_the_last_counts_and_both_are_checked(
    responses: ResponsesAgent, path: str
) -> None:
    instances, headers = responses.instances, {"Content-Type": "application/json"}

    async def asked(body: str) -> Any:
        answer = await responses.browser.ask("POST", path, data=body.encode(), headers=headers)
        assert answer.status == 200, answer.body
        return instances.calls[-1:], instances.others[-1:], instances.completed[-1:]

    good = json.dumps(GOOD[path])
    for name in GOOD[path]:
        first = json.dumps({name: OTHER[name]})[:-1]
        assert await asked(first + ", " + good[1:]) == await asked(good)
        assert await asked(good[:-1] + ", " + first[1:] + "}") == await asked(
            json.dumps({**GOOD[path], name: OTHER[name]})
        )
        await refused(responses, path, f'{{"{name}": true, {good[1:]}'.encode())


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,!!!not base64!!!"}}
MESSAGES: dict[str, tuple[Any, str]] = {
    "an unknown role": ([{"role": "wizard", "content": "x"}], "messages[0].role"),
    "the old role": ([{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
    "an image": ([{"role": "user", "content": [IMAGE]}], "messages[0].content[0]"),
    "audio": ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], "messages[0].content[0]"),
    "a file": ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0]"),
    "one of 10,000": ([HELLO] * 9_999 + [{"role": "user"}], "messages[9999].content"),
    "too many": ([HELLO] * 20_001, "messages"),
    "a custom call": (
        [{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}]}],
        "messages[0].tool_calls[0].type",
    ),
}


@pytest.mark.parametrize(("messages", "param"), MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/apply-template"])
async def test_messages(responses: ResponsesAgent, path: str, messages: Any, param: str) -> None:
    error = await refused(responses, path, json.dumps({"model": KEY, "messages": messages}).encode())
    assert error["param"] == param


async def test_10000_messages(responses: ResponsesAgent) -> None:
    items = json.dumps({"model": KEY, "input": [HELLO] * 10_000}).encode()
    await survives(responses, "/v1/responses", items)
    await survives(responses, "/apply-template", json.dumps({"messages": [HELLO] * 10_000}).encode())


def _function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **fields}}


CHAT: dict[str, tuple[dict[str, Any], str]] = {
    "a custom tool": ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    "a tool without a name": ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    "a tool with a list of parameters": ({"tools": [_function(parameters=[])]}, "tools[0].function.parameters"),
    "two of one name": ({"tools": [_function(), _function()]}, "tools"),
    "a choice of a tool that is not there": (
        {"tools": [_function()], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
    ),
    "a choice of a custom tool": ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type"),
    "allowed tools that are not there": (
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [_function()]}}},
        "tool_choice",
    ),
    "a mode that is none": ({"tool_choice": "perhaps"}, "tool_choice"),
    "a schema that is none": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}},
        "response_format.json_schema.schema",
    ),
    "no schema": ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    "obfuscation": ({"stream": True, "stream_options": {"include_obfuscation": True}}, "stream_options"),
    "infill": ({"samplers": ["infill"]}, "samplers"),
}


@pytest.mark.parametrize(("body", "param"), CHAT.values(), ids=CHAT)
async def test_tools_and_formats(responses: ResponsesAgent, body: dict[str, Any], param: str) -> None:
    path = "/v1/chat/completions"
    error = await refused(responses, path, json.dumps({**GOOD[path], **body}).encode())
    assert (error["param"] or "").startswith(param)


RESPONSES: dict[str, tuple[dict[str, Any], str]] = {
    "an image": (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0]",
    ),
    "an unknown role": ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
    "a custom tool": ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0].type"),
    "a choice of a custom tool": ({"tool_choice": {"type": "custom", "name": "x"}}, "tool_choice"),
    "the background": ({"background": True}, "background"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "truncation": ({"truncation": "auto"}, "truncation"),
    "a time": ({"ttl": -5}, "ttl"),
}


@pytest.mark.parametrize(("body", "param"), RESPONSES.values(), ids=RESPONSES)
async def test_responses(responses: ResponsesAgent, body: dict[str, Any], param: str) -> None:
    path = "/v1/responses"
    error = await refused(responses, path, json.dumps({**GOOD[path], **body}).encode())
    assert (error["param"] or "").startswith(param)


async def test_the_events_of_a_response_are_not_kept(responses: ResponsesAgent) -> None:
    id_ = (await responses.create()).json()["id"]
    answer = await responses.get(f"{id_}?stream=true")
    assert (answer.status, answer.error["param"]) == (400, "stream")
