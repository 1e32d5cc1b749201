"""The conversation as clients send it."""

from typing import Any

import pytest

from samovar_protocol.values import Message, ToolCall
from tests.samovar_agent.http.conftest import Agent, Browser

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


async def messages_of(agent: Agent, browser: Browser, *messages: dict[str, Any]) -> list[Message]:
    answer = await browser.chat(messages=list(messages))
    assert answer.status == 200, answer.body
    return list(agent.instances.calls[-1][1])


async def test_roles_and_contents(agent: Agent, browser: Browser) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]
    messages = await messages_of(
        agent,
        browser,
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": parts},
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [], "annotations": []},
        {"role": "user", "content": ""},
    )
    assert messages == [
        Message(role="system", content="Be brief."),
        Message(role="user", name="ann", content="one\ntwo"),
        Message(role="assistant", content=""),
        Message(role="user", content=""),
    ]


async def test_calls_and_their_answers(agent: Agent, browser: Browser) -> None:
    messages = await messages_of(
        agent,
        browser,
        {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [{**CALL, "index": 0}]},
        {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": [{"type": "text", "text": "rain"}]},
    )
    call = ToolCall(id="call_1", name="weather", arguments='{"city":"Oslo"}')
    assert messages == [
        Message(role="assistant", content="", reasoning="Hm.", tool_calls=[call]),
        Message(role="tool", content="rain", tool_call_id="call_1", name="weather"),
    ]


async def test_an_answer_gets_the_name_of_what_was_called(agent: Agent, browser: Browser) -> None:
    messages = await messages_of(
        agent,
        browser,
        {"role": "assistant", "tool_calls": [CALL, {"id": "2", "function": {"name": "clock", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "2", "content": "noon"},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "nobody", "content": "?"},
        {"role": "tool", "content": "?"},
    )
    assert [message.name for message in messages] == [None, "clock", "weather", None, None]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "assistant", "tool_calls": [{"id": "x"}]}, "messages[0].tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": 5}]}, "messages[0].tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}, "messages[0].tool_calls[0].type"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "messages[0].tool_calls"),
        ({"role": "user", "content": "x", "tool_call_id": "call_1"}, "messages[0].tool_call_id"),
        ({"role": "tool", "tool_call_id": "call_1"}, "messages[0].content"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, "messages[0].function_call"),
        ({"role": "user", "content": "x", "refusal": "No."}, "messages[0].refusal"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "No."}]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "mood": 1}]}, "messages[0].content[0].mood"),
        ({"role": "assistant", "audio": {"id": "x"}}, "messages[0].audio"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(agent: Agent, browser: Browser, message: dict[str, Any], param: str) -> None:
    answer = await browser.chat(messages=[message])
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.calls


async def test_images_are_refused_with_the_reason(agent: Agent, browser: Browser) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = await browser.chat(messages=[{"role": "user", "content": [image]}])
    assert answer.status == 400 and answer.error["param"] == "messages[0].content[0]"
    assert "no vision" in answer.error["message"].lower()
    answer = await browser.chat(messages=[{"role": "user", "content": [{"type": "input_audio"}]}])
    assert "'input_audio' is not supported" in answer.error["message"]
