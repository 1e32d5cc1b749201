"""What a request may ask for: parameters that are honoured, harmless or refused, and bodies that are wrong."""

from typing import Any

import pytest

from samovar_protocol.values import AnyJson, ChatOptions, JsonSchema, NamedTool, Sampling
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

CLOCK = {"type": "function", "name": "clock", "description": "Tells the time.", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}


async def options_of(responses: ResponsesAgent, **body: Any) -> ChatOptions:
    answer = await responses.create(**body)
    assert answer.status == 200, answer.body
    return responses.instances.calls[-1][3]


async def test_how_tokens_are_chosen(responses: ResponsesAgent) -> None:
    await responses.create()
    assert responses.instances.calls[-1][2] == Sampling()
    await responses.create(temperature=0, top_p=0.5, max_output_tokens=9)
    assert responses.instances.calls[-1][2] == Sampling(temperature=0, top_p=0.5, max_tokens=9)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ChatOptions()),
        ({"text": {"format": {"type": "text"}, "verbosity": "medium"}}, ChatOptions()),
        ({"text": {"format": {"type": "json_object"}}}, ChatOptions(reply_format=AnyJson())),
        (
            {"text": {"format": {"type": "json_schema", "name": "z", "schema": SCHEMA, "strict": True}}},
            ChatOptions(reply_format=JsonSchema(json_schema=SCHEMA)),
        ),
        ({"reasoning": {"effort": "none"}}, ChatOptions(thinking=False)),
        (
            {"reasoning": {"effort": "low", "context": "auto", "mode": "standard"}},
            ChatOptions(thinking=True, template_arguments={"reasoning_effort": "low"}),
        ),
        ({"reasoning": {"summary": "auto"}}, ChatOptions()),
        ({"include": ["message.output_text.logprobs"]}, ChatOptions(logprobs=True)),
        (
            {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
            ChatOptions(logprobs=True, top_logprobs=3),
        ),
        ({"parallel_tool_calls": False}, ChatOptions(parallel_tool_calls=False)),
    ],
)
async def test_what_the_reply_may_be(responses: ResponsesAgent, body: dict[str, Any], expected: ChatOptions) -> None:
    assert await options_of(responses, **body) == expected


async def test_what_must_be_called(responses: ResponsesAgent) -> None:
    choices: list[tuple[Any, Any]] = [
        (None, "auto"),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "clock"}, NamedTool(name="clock")),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "clock"}]}, "required"),
    ]
    for choice, expected in choices:
        options = await options_of(responses, tools=[CLOCK], tool_choice=choice)
        assert options.tool_choice == expected
        assert [tool.name for tool in options.tools] == ["clock"]
        assert options.tools[0].description == "Tells the time."


@pytest.mark.parametrize(
    "body",
    [
        {"store": None, "stream": None, "instructions": None, "tools": None, "metadata": None, "include": None},
        {"background": False, "conversation": None, "truncation": "disabled", "context_management": []},
        {"client_metadata": {"session_id": "what Codex says of itself"}},
        {"prompt_cache_options": {"mode": "implicit"}, "prompt_cache_retention": "in_memory", "prompt_cache_key": "k"},
        {"user": "u", "safety_identifier": "s", "service_tier": "auto", "max_tool_calls": 1},
        {"include": ["reasoning.encrypted_content", "web_search_call.action.sources"]},
        {"stream_options": {"include_obfuscation": False}, "top_logprobs": 0},
        {"metadata": {"k" * 64: "v" * 512}},
        {"input": ""},
    ],
)
async def test_what_changes_nothing(responses: ResponsesAgent, body: dict[str, Any]) -> None:
    assert await options_of(responses, **body) == ChatOptions()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        # Documented, and not possible here.
        ({"background": True}, "background"),
        ({"background_options": {"completion_window": "2h"}}, "background_options"),
        ({"truncation": "auto"}, "truncation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
        ({"access_programs": {"cyber": "standard"}}, "access_programs"),
        ({"image": {"context_compression": "enabled"}}, "image"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"summary": "concise"}}, "reasoning.summary"),
        ({"reasoning": {"generate_summary": "concise"}}, "reasoning.generate_summary"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"top_logprobs": 2}, "top_logprobs"),
        # Wrong.
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": {"role": "user"}}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"previous_response_id": ""}, "previous_response_id"),
        ({"store": "yes"}, "store"),
        ({"stream": 1}, "stream"),
        ({"include": ["everything"]}, "include[0]"),
        ({"include": "file_search_call.results"}, "include"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 21}, "top_logprobs"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"a": "v" * 513}}, "metadata"),
        ({"service_tier": "best"}, "service_tier"),
        ({"prompt_cache_retention": "1h"}, "prompt_cache_retention"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"reasoning": {"depth": 1}}, "reasoning.depth"),
        ({"reasoning": "high"}, "reasoning"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": []}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_object", "schema": {}}}}, "text.format.schema"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"seed": 5}, "seed"),
    ],
)
async def test_what_is_refused(responses: ResponsesAgent, body: dict[str, Any], param: str) -> None:
    for stream in (False, True):
        answer = await responses.create(**{"stream": stream, **body})
        assert (answer.status, answer.error["param"]) == (400, param), answer.body
        assert answer.error["type"] == "invalid_request_error"
    assert responses.instances.calls == []
    assert await responses.kept() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"model": "m", "input": "x", "temperature": NaN}',
        b'{"model": "m", "input": "x", "top_p": Infinity}',
        b'{"model": "m", "input": "x", "temperature": 1e999}',
        b'{"model": "m", "input": "\\ud800"}',
        b'{"model": "m", "input": "\xff"}',
        b'{"model": "m", "input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model": "m", "input": [' + b'{"content":' * 5000 + b"1" + b"}" * 5000 + b"]}",
    ],
)
async def test_what_is_no_request(responses: ResponsesAgent, body: bytes) -> None:
    answer = await responses.browser.ask(
        "POST", "/v1/responses", data=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


@pytest.mark.parametrize("depth", [90, 200, 400, 900, 990, 1000, 1500])
async def test_what_is_nested_is_kept_or_refused(responses: ResponsesAgent, depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    function = f'"tools": [{{"type": "function", "name": "x", "parameters": {nested}}}]'
    schema = f'"text": {{"format": {{"type": "json_schema", "name": "x", "schema": {nested}}}}}'
    item = f'{{"type": "file_search_call", "queries": [], "results": [{nested}]}}'
    for rest in (f'"input": "x", {function}', f'"input": "x", {schema}', f'"input": [{item}]'):
        for stream in ("true", "false"):
            body = f'{{"model": "{KEY}", "stream": {stream}, {rest}}}'
            answer = await responses.browser.ask(
                "POST", "/v1/responses", data=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status == (200 if depth < 100 else 400)
            if depth < 100 and stream == "false":
                id_ = answer.json()["id"]
                assert (await responses.get(id_)).status == 200
                assert (await responses.get(f"{id_}/input_items")).status == 200
                assert (await responses.create(previous_response_id=id_)).status == 200


async def test_ten_thousand_items(responses: ResponsesAgent) -> None:
    items = [{"role": ("user", "assistant")[number % 2], "content": f"{number}"} for number in range(10_000)]
    answer = await responses.create(input=items)
    assert answer.status == 200
    assert len(responses.instances.calls[-1][1]) == 10_000
    page = (await responses.get(f"{answer.json()['id']}/input_items?limit=1")).json()
    assert page["data"][0]["content"][0]["text"] == "9999"
    answer = await responses.create(input=[{"role": "user", "content": ""}] * 20_001)
    assert (answer.status, answer.error["param"]) == (400, "input")


async def test_the_model_s_alias_is_told_as_its_key(responses: ResponsesAgent) -> None:
    answer = await responses.create(model="smollm")
    assert answer.json()["model"] == KEY
    assert responses.instances.calls[-1][0] == "smollm"
