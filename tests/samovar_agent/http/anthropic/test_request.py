"""What a body asks for reaches the engine, or is refused by name."""

import inspect
from typing import Any, Required, get_args, get_origin, get_type_hints

import pytest
from anthropic.resources.beta.messages import AsyncMessages as BetaMessages
from anthropic.resources.messages import AsyncMessages
from anthropic.types import content_block_param, message_count_tokens_params, message_create_params
from anthropic.types.beta import beta_content_block_param
from anthropic.types.beta import message_create_params as beta_params

from samovar_agent.http.anthropic.blocks import AnyBlock
from samovar_agent.http.anthropic.request import _ASKS_FOR_NOTHING, MessagesRequest, PromptRequest
from samovar_protocol.values import ChatOptions, JsonSchema, NamedTool, Sampling, Tool
from tests.samovar_agent.http.anthropic.conftest import Asking, error_of, message_body
from tests.samovar_agent.http.conftest import KEY, Browser, model

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOCK = {"name": "clock", "description": "The time.", "input_schema": SCHEMA}
HEADERS = {"betas", "user_profile_id", "workspace_id"}
"""Parameters of the client's that it sends as headers."""


def test_every_documented_parameter_is_known() -> None:
    documented = {
        *message_create_params.MessageCreateParamsBase.__annotations__,
        *beta_params.MessageCreateParamsBase.__annotations__,
        *inspect.signature(AsyncMessages.create).parameters,
        *inspect.signature(BetaMessages.create).parameters,
    } - {"self", "extra_headers", "extra_query", "extra_body", "timeout", *HEADERS}
    assert documented <= set(MessagesRequest.__struct_fields__)
    counted = set(message_count_tokens_params.MessageCountTokensParams.__annotations__) - HEADERS
    assert counted <= set(PromptRequest.__struct_fields__)


async def test_defaults(asking: Asking) -> None:
    _, sampling, options = await asking.asked()
    assert sampling == Sampling(max_tokens=64)
    assert options == ChatOptions()


async def test_sampling_is_passed_on(asking: Asking) -> None:
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "stop_sequences": ["END", "\n\n"]}
    _, sampling, _ = await asking.asked(**given, max_tokens=3)
    assert sampling == Sampling(temperature=0.5, top_p=0.9, top_k=7, stop=["END", "\n\n"], max_tokens=3)


CLOCK_TOOL = Tool(name="clock", description="The time.", parameters=SCHEMA)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tools": [CLOCK]}, ChatOptions(tools=[CLOCK_TOOL])),
        ({"tools": [{**CLOCK, "type": "custom"}], "tool_choice": None}, ChatOptions(tools=[CLOCK_TOOL])),
        (
            {"tools": [CLOCK], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            ChatOptions(tools=[CLOCK_TOOL], parallel_tool_calls=False),
        ),
        (
            {"tools": [CLOCK], "tool_choice": {"type": "any"}},
            ChatOptions(tools=[CLOCK_TOOL], tool_choice="required"),
        ),
        ({"tools": [CLOCK], "tool_choice": {"type": "none"}}, ChatOptions(tools=[CLOCK_TOOL], tool_choice="none")),
        (
            {"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "clock", "disable_parallel_tool_use": True}},
            ChatOptions(tools=[CLOCK_TOOL], tool_choice=NamedTool(name="clock"), parallel_tool_calls=False),
        ),
        (
            {"tools": [{"name": "clock", "input_schema": SCHEMA, "input_examples": [{"city": "Łódź"}]}]},
            ChatOptions(
                tools=[Tool(name="clock", description='Examples of its input:\n{"city": "Łódź"}', parameters=SCHEMA)]
            ),
        ),
        ({"thinking": {"type": "disabled"}}, ChatOptions(thinking=False)),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, ChatOptions(thinking=True)),
        (
            {"tools": [CLOCK], "tool_choice": {"type": "auto", "disable_parallel_tool_use": None}},
            ChatOptions(tools=[CLOCK_TOOL]),
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            ChatOptions(thinking=True, thinking_budget=1024),
        ),
        ({"output_config": {"effort": "high"}}, ChatOptions(template_arguments={"reasoning_effort": "high"})),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            ChatOptions(reply_format=JsonSchema(json_schema=SCHEMA)),
        ),
        (
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            ChatOptions(reply_format=JsonSchema(json_schema=SCHEMA)),
        ),
        (
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}]},
            ChatOptions(continue_final_message=True),
        ),
    ],
)
async def test_options_are_passed_on(asking: Asking, body: dict[str, Any], expected: ChatOptions) -> None:
    _, _, options = await asking.asked(**body)
    assert options == expected


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"user_id": "somebody"}},
        {"service_tier": "auto"},
        {"service_tier": "standard_only"},
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {"tools": [{**CLOCK, "cache_control": {"type": "ephemeral"}, "strict": True, "eager_input_streaming": True}]},
        {"tools": [{**CLOCK, "defer_loading": False, "allowed_callers": ["direct"]}]},
        {"context_management": {"edits": []}},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": {"type": "all"}}]}},
    ],
)
async def test_what_changes_no_reply_is_accepted(asking: Asking, body: dict[str, Any]) -> None:
    _, sampling, options = await asking.asked(**body)
    assert sampling == Sampling(max_tokens=64)
    assert options.tools in ([], [CLOCK_TOOL])


@pytest.mark.parametrize("name", sorted(_ASKS_FOR_NOTHING))
async def test_values_that_ask_for_nothing_are_fine(asking: Asking, name: str) -> None:
    for value in (None, *_ASKS_FOR_NOTHING[name]):
        await asking.asked(**{name: value})
    assert name in await asking.refused(**{name: {"something": 1}})


async def test_a_client_is_told_in_its_own_words_that_conversations_are_not_kept(asking: Asking) -> None:
    await asking.asked(thread=None)
    for thread in ({"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}):
        answer = await asking.create(thread=thread)
        assert answer.status == 400
        error = answer.json()["error"]
        assert "'thread'" in error["message"]
        assert error["details"] == {"error_code": "thread_unsupported_request"}


def change(kind: str, name: str) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": {"type": "tool_reference", "name": name}}]}


FOUND = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "tool_reference", "tool_name": "tea"}]}
SEARCHED = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "clock", "input": {}}]},
    {"role": "user", "content": [FOUND]},
]


@pytest.mark.parametrize(
    ("messages", "names"),
    [
        ([], ["clock"]),
        ([change("tool_addition", "tea")], ["clock", "tea"]),
        ([change("tool_addition", "tea"), change("tool_removal", "clock")], ["tea"]),
        ([change("tool_removal", "clock"), change("tool_addition", "clock")], ["clock"]),
        (SEARCHED, ["clock", "tea"]),
    ],
)
async def test_tools_come_and_go_in_the_conversation(
    asking: Asking, messages: list[dict[str, Any]], names: list[str]
) -> None:
    tools = [CLOCK, {"name": "tea", "input_schema": SCHEMA, "defer_loading": True}]
    hello = {"role": "user", "content": "Hi"}
    found, _, options = await asking.asked(tools=tools, messages=[hello, *messages])
    assert [tool.name for tool in options.tools] == names
    told = "\n".join(message.content for message in found)
    assert ("The tool 'tea' can be called now." in told) == ("tea" in names)


async def test_what_refers_to_no_tool_is_refused(asking: Asking) -> None:
    messages = [{"role": "user", "content": "Hi"}, change("tool_addition", "tea")]
    assert "No tool is called 'tea'" in await asking.refused(tools=[CLOCK], messages=messages)


async def test_earlier_thoughts_are_left_out_where_a_request_says_so(asking: Asking) -> None:
    def turns(thought: str) -> list[dict[str, Any]]:
        thinking = {"type": "thinking", "thinking": thought, "signature": "samovar"}
        return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [thinking]}]

    asked = {"messages": [*turns("one"), *turns("two"), {"role": "user", "content": "So?"}]}
    for keep, left in (({"keep": "all"}, ["one", "two"]), ({}, [None, "two"])):
        edits = [{"type": "clear_thinking_20251015", **keep}]
        messages, _, _ = await asking.asked(**asked, context_management={"edits": edits})
        assert [message.reasoning for message in messages if message.role == "assistant"] == left


def message(content: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"properties": {"a": found}}
    return found


BEGUN = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}]}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 10**30}, "max_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"stream": True, "max_tokens": 0}, "max_tokens"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [[]]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name"),
    ({"messages": [{"role": "user", "content": "x", "clear_at": "next_user_message"}]}, "messages[0].clear_at"),
    (message(5), "messages[0].content"),
    (message([5]), "messages[0].content[0]"),
    (message([{"type": "text"}]), "messages[0].content[0].text"),
    (message([{"type": "text", "text": 5}]), "messages[0].content[0].text"),
    (message([{"text": "Hi"}]), "messages[0].content[0].type"),
    (message([{"type": "server_tool_use", "id": "1"}]), "messages[0].content[0].type"),
    (message([{"type": "container_upload", "file_id": "1"}]), "messages[0].content[0].type"),
    (message([{"type": "document", "source": {"type": "file", "file_id": "1"}}]), "source.type"),
    (message([{"type": "image", "source": {"type": "url", "url": "x"}}]), "messages[0].content[0]"),
    (message([{"type": "tool_use", "id": "1", "name": "a", "input": []}], "assistant"), "messages[0].content[0].input"),
    (message([{"type": "tool_use", "id": "1", "name": "", "input": {}}], "assistant"), "messages[0].content[0].name"),
    (message([{"type": "tool_result", "tool_use_id": "x"}]), "messages[0].content[0].tool_use_id"),
    ({"system": 5}, "system"),
    ({"system": [{"type": "image", "source": {}}]}, "system[0].type"),
    ({"temperature": -1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 2}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"top_k": 1.5}, "top_k"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"stop_sequences": ["a"] * 17}, "stop_sequences"),
    ({"stream": "yes"}, "stream"),
    ({"tools": {}}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{**CLOCK, "max_uses": 1}]}, "tools[0].max_uses"),
    ({"tools": [{**CLOCK, "defer_loading": "yes"}]}, "tools[0].defer_loading"),
    ({"tools": [{**CLOCK, "defer_loading": True}], "tool_choice": {"type": "any"}}, "tool_choice"),
    (message([{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "tea"}}]), "messages[0].content[0]"),
    (message([{"type": "tool_reference", "tool_name": "tea"}]), "messages[0].content[0].type"),
    ({"tools": [{**CLOCK, "allowed_callers": ["code_execution_20260120"]}]}, "tools[0].allowed_callers"),
    ({"tools": [{**CLOCK, "input_schema": nested(60)}]}, "nested"),
    ({"tools": [CLOCK, CLOCK]}, "tools"),
    ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools[0].type"),
    ({"tools": [CLOCK, {"type": "bash_20250124", "name": "bash"}]}, "tools[1].type"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"tools": [CLOCK], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "tea"}}, "tool_choice"),
    ({"thinking": True}, "thinking"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 10**12}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "between_tools"}}, "thinking.type"),
    ({"thinking": {"type": "adaptive", "display": "all"}}, "thinking.display"),
    ({"thinking": {"type": "adaptive"}, **BEGUN}, "thinking"),
    ({"output_config": {"format": {"type": "json_schema", "schema": {}}}, **BEGUN}, "output_config.format"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"task_budget": {"type": "tokens", "total": 5}}}, "output_config.task_budget"),
    ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
    ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ({"output_format": {"type": "json_schema", "schema": nested(60)}}, "nested"),
    (
        {
            "output_config": {"format": {"type": "json_schema", "schema": {}}},
            "output_format": {"type": "json_schema", "schema": {}},
        },
        "output_format",
    ),
    ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management.edits[0].type"),
    ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management.edits[0].type"),
    ({"diagnostics": {"previous_message_id": 5}}, "diagnostics.previous_message_id"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"speed": "fast"}, "speed"),
    ({"container": "abc"}, "container"),
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
    ({"inference_geo": "eu"}, "inference_geo"),
    ({"n": 2}, "n"),
]


@pytest.mark.parametrize(("body", "name"), BAD, ids=[f"{name}-{number}" for number, (_, name) in enumerate(BAD)])
async def test_what_cannot_be_is_refused_by_name(asking: Asking, body: dict[str, Any], name: str) -> None:
    assert name in await asking.refused(**body)
    counted = {key: value for key, value in {**message_body(), **body}.items() if key != "max_tokens"}
    answer = await asking.browser.ask("POST", "/v1/messages/count_tokens", json=counted)
    assert answer.status == (200 if set(body) == {"max_tokens"} else 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"model": "a"',
        b"\xff\xfe",
        b'{"model": NaN}',
        b'{"model": "\\ud800", "max_tokens": 5, "messages": [{"role": "user", "content": "\\udc00"}]}',
        b'{"max_tokens": 1e999}',
        b"[" * 100_000,
        b'{"tools": ' + b'[{"a":' * 50_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_what_is_no_such_json_is_refused(asking: Asking, browser: Browser, body: bytes, path: str) -> None:
    answer = await browser.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status in (400, 404)
    assert error_of(answer)["type"] in ("invalid_request_error", "not_found_error")


async def test_of_a_field_that_is_there_twice_the_last_counts(asking: Asking, browser: Browser) -> None:
    body = b'{"model": 5, "model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}'
    answer = await browser.ask("POST", "/v1/messages", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400, "a wrong value is wrong wherever it stands"


async def test_10000_messages(asking: Asking) -> None:
    messages = [{"role": ("user", "assistant")[at % 2], "content": str(at)} for at in range(9999)]
    found, _, _ = await asking.asked(messages=messages)
    assert len(found) == 9999


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, None),
        ({"metadata": {}, "service_tier": "auto", "thinking": {"type": "disabled"}}, None),
        ({"metadata": {"user_id": "me"}, "service_tier": "standard_only"}, "metadata"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, "output_config.effort, thinking"),
        (
            {
                "thinking": {
                    "type": "enabled",
                    "budget_tokens": 9,
                    "block_binding": {"prefix_mismatch_behavior": "error"},
                }
            },
            "thinking, thinking.block_binding",
        ),
    ],
)
async def test_what_is_asked_for_in_vain_is_named(
    asking: Asking, stream: bool, body: dict[str, Any], named: str | None
) -> None:
    """Coding agents ask any model to think, and say who their user is."""
    answer = await asking.create(stream=stream, **body)
    assert (answer.status, answer.headers.get("Samovar-Without-Effect")) == (200, named)


async def test_a_model_that_thinks_is_not_asked_in_vain(asking: Asking) -> None:
    asking.agent.library.models = [model(KEY, capabilities=["chat", "thinking"])]
    answer = await asking.create(thinking={"type": "adaptive", "block_binding": {}}, output_config={"effort": "low"})
    assert (answer.status, answer.headers.get("Samovar-Without-Effect")) == (200, None)


NOT_HERE = [
    "advisor_tool_result", "bash_code_execution_tool_result", "code_execution_tool_result", "compaction",
    "container_upload", "fallback", "mcp_tool_listing", "mcp_tool_result", "mcp_tool_use", "server_tool_use",
    "text_editor_code_execution_tool_result", "tool_search_tool_result", "web_fetch_tool_result",
    "web_search_tool_result",
]  # fmt: skip
"""Kinds of blocks that only Anthropic's service makes or reads."""


def kinds(union: Any) -> set[str]:
    """What `type` can be in these parameters."""
    return {get_args(found)[0] for one in get_args(union) if (found := _type_of(one)) is not None}


def _type_of(one: Any) -> Any:
    found = get_type_hints(one).get("type") if isinstance(one, type) else None
    return get_args(found)[0] if get_origin(found) is Required else found


def test_every_documented_block_is_known() -> None:
    documented = kinds(content_block_param.ContentBlockParam) | kinds(beta_content_block_param.BetaContentBlockParam)
    assert {"text", "server_tool_use", "fallback"} <= documented, "they were found"
    here = {one.__struct_config__.tag for one in get_args(AnyBlock)}
    assert documented == {*here, *NOT_HERE} & documented


@pytest.mark.parametrize("kind", NOT_HERE)
async def test_what_only_anthropic_makes_is_refused_by_name(asking: Asking, kind: str) -> None:
    said = await asking.refused(messages=[{"role": "user", "content": [{"type": kind}]}])
    assert said.startswith(f"'{kind}' is not supported as messages[0].content[0].type. Leave it out")
