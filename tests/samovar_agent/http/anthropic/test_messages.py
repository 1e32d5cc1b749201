"""Replies whole and streamed, the length of prompts, and what happens when something fails on the way."""

import asyncio
from typing import Any

import pytest

from samovar_agent.http import sse
from samovar_agent.http.anthropic.signature import holding
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    AnyDelta,
    FinishReason,
    InstanceInfo,
    Progress,
    Text,
    Thinking,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.anthropic.conftest import Asking, error_of, events_of, message_body
from tests.samovar_agent.http.conftest import KEY, Browser

USAGE = {
    "input_tokens": 4,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 8,
    "output_tokens": 3,
    "output_tokens_details": {"thinking_tokens": 0},
    "service_tier": "standard",
}
CALLS: list[AnyDelta] = [
    Thinking(text="A clock", tokens=2),
    Thinking(text="?"),
    ToolCallBegan(index=0, id="call_1", name="clock"),
    ToolCallArguments(index=0, json='{"zone":'),
    ToolCallArguments(index=0, json='"UTC"}'),
]


async def test_a_whole_reply(asking: Asking) -> None:
    answer = await asking.create()
    body = answer.json()
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": KEY,
        "content": [{"type": "text", "text": "Hi there"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == "http-1"


async def test_a_streamed_reply(asking: Asking) -> None:
    answer = await asking.create(stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["request-id"] == "http-1"
    events = events_of(answer)
    assert [name for name, _ in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0][1]["message"]["model"] == KEY
    first = events[0][1]["message"]["usage"]
    assert first == {**USAGE, "output_tokens": 0}, "clients take the length of the prompt from here"
    assert [data["delta"]["text"] for _, data in events[2:4]] == ["Hi", " there"]
    assert events[5][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[5][1]["usage"] == USAGE


@pytest.mark.parametrize(
    ("reason", "stop_text", "max_tokens", "expected"),
    [
        ("stop", None, 64, ("end_turn", None)),
        ("stop", "END", 64, ("stop_sequence", "END")),
        ("length", None, 3, ("max_tokens", None)),
        ("length", None, 64, ("model_context_window_exceeded", None)),
        ("tool_calls", None, 64, ("tool_use", None)),
    ],
)
async def test_why_a_reply_ended(
    asking: Asking, reason: FinishReason, stop_text: str | None, max_tokens: int, expected: tuple[str, str | None]
) -> None:
    asking.instances.finish_reasons, asking.instances.stop_text = [reason], stop_text
    body = (await asking.create(max_tokens=max_tokens)).json()
    assert (body["stop_reason"], body["stop_sequence"]) == expected
    delta = events_of(await asking.create(max_tokens=max_tokens, stream=True))[-2][1]["delta"]
    assert (delta["stop_reason"], delta["stop_sequence"]) == expected


async def test_thinking_and_calls(asking: Asking) -> None:
    asking.instances.items, asking.instances.finish_reasons = [*CALLS], ["tool_calls"]
    body = (await asking.create()).json()
    assert body["content"] == [
        {"type": "thinking", "thinking": "A clock?", "signature": "samovar"},
        {"type": "tool_use", "id": "call_1", "name": "clock", "input": {"zone": "UTC"}},
    ]
    assert body["usage"]["output_tokens_details"] == {"thinking_tokens": 3}
    hidden = (await asking.create(thinking={"type": "adaptive", "display": "omitted"})).json()
    assert hidden["content"][0] == {"type": "thinking", "thinking": "", "signature": holding("A clock?")}
    result = [{"type": "tool_result", "tool_use_id": "call_1", "content": "12:30"}]
    answer = [{"role": "assistant", "content": hidden["content"]}, {"role": "user", "content": result}]
    await asking.create(messages=[{"role": "user", "content": "Time?"}, *answer])
    assert asking.instances.calls[-1][1][1].reasoning == "A clock?", "it comes back with the signature"


@pytest.mark.parametrize("arguments", ["[1]", "{", "", "[" * 5000])
async def test_arguments_that_are_no_object_are_shown_as_they_are(asking: Asking, arguments: str) -> None:
    asking.instances.items = [
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=0, json=arguments),
    ]
    (block,) = (await asking.create()).json()["content"]
    assert block["input"] == {"arguments": arguments}


async def test_a_prompt_is_computed_without_a_reply(asking: Asking) -> None:
    body = (await asking.create(max_tokens=0)).json()
    assert asking.instances.calls[0][2].max_tokens == 1
    assert (body["content"], body["stop_reason"], body["usage"]["output_tokens"]) == ([], "max_tokens", 0)
    assert body["usage"]["cache_read_input_tokens"] == 8


async def test_a_reply_without_any_text(asking: Asking) -> None:
    asking.instances.items = []
    assert (await asking.create()).json()["content"] == []
    names = [name for name, _ in events_of(await asking.create(stream=True))]
    assert names == ["message_start", "message_delta", "message_stop"]


@pytest.mark.parametrize("text", ['"quotes"\n\ndata: x\r\n', "żółć 日本 🫖", "a\u2028b\u2029c\x85d", "\x00\x1f"])
async def test_any_text_survives_a_client_that_splits_lines(asking: Asking, text: str) -> None:
    asking.instances.items = [Text(text=text)]
    answer = await asking.create(stream=True)
    assert events_of(answer)[2][1]["delta"]["text"] == text
    assert len(answer.body.decode().splitlines()) == answer.body.count(b"\n")
    assert (await asking.create()).json()["content"][0]["text"] == text


async def test_loading_is_told_in_pings(asking: Asking) -> None:
    asking.instances.items = [
        Progress(stage="loading"),
        *(Progress(stage="loading", done=done, total=1, unit="ratio") for done in (0.421, 0.424, 1)),
        Text(text="Hi"),
    ]
    answer = await asking.create(stream=True)
    assert answer.comments == ["loading", "loading 42 %", "loading 100 %"]
    assert [name for name, _ in events_of(answer)][:4] == ["ping", "ping", "ping", "message_start"]
    assert (await asking.create()).status == 200


async def test_a_silent_stream_is_kept_alive_by_pings(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    go_on = asyncio.Event()
    asking.instances.items = [go_on, Text(text="Hi")]
    url = f"{asking.agent.url}/v1/messages"
    async with asking.browser.session.post(url, json=message_body(stream=True)) as response, asyncio.timeout(5):
        assert await response.content.readuntil(b"\n\n") == b'event: ping\ndata: {"type":"ping"}\n\n'
        go_on.set()
        assert b"message_stop" in await response.read()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("code", "status", "type_"),
    [
        (FailureCode.NOT_ENOUGH_MEMORY, 507, "api_error"),
        (FailureCode.CONTEXT_OVERFLOW, 400, "invalid_request_error"),
        (FailureCode.WORKER_CRASHED, 502, "api_error"),
        (FailureCode.BUSY, 429, "rate_limit_error"),
        (FailureCode.SHUTTING_DOWN, 503, "overloaded_error"),
    ],
)
async def test_a_failure_before_the_first_byte_has_its_status(
    asking: Asking, stream: bool, code: FailureCode, status: int, type_: str
) -> None:
    asking.instances.items = [SamovarError(code, "It did not work.", hint="Do this.")]
    answer = await asking.create(stream=stream)
    assert answer.status == status
    assert error_of(answer) == {"type": type_, "message": "It did not work. Do this."}
    assert answer.headers["request-id"] == answer.json()["request_id"] == "http-1"


async def test_a_failure_in_the_middle_is_an_event(asking: Asking) -> None:
    asking.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    name, data = events_of(await asking.create(stream=True))[-1]
    assert (name, data["error"]) == ("error", {"type": "api_error", "message": "The worker died."})
    assert data["request_id"] == "http-1"
    assert (await asking.create(messages=[])).status == 400, "the connection lives on"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_an_unknown_model_is_a_404_that_says_how_to_call_one_so(
    asking: Asking, browser: Browser, path: str
) -> None:
    body = message_body(model="nobody/knows")
    if path.endswith("count_tokens"):
        del body["max_tokens"]
    answer = await browser.ask("POST", path, json=body)
    assert answer.status == 404
    error = error_of(answer)
    assert error["type"] == "not_found_error"
    assert "'nobody/knows=MODEL' to the setting models.aliases" in error["message"]
    asking.agent.library.models = []
    assert "models.aliases" not in error_of(await browser.ask("POST", path, json=body))["message"]


async def test_names_and_identifiers_are_as_everywhere(asking: Asking) -> None:
    asking.instances.loaded = [InstanceInfo(identifier="claude-sonnet-4-5", model=KEY, state="ready")]
    for name in ("claude-sonnet-4-5", "smollm"):
        assert events_of(await asking.create(model=name, stream=True))[0][1]["message"]["model"] == KEY
        assert asking.instances.calls[-1][0] == name


async def test_diagnostics_say_that_nothing_is_known(asking: Asking) -> None:
    asked: dict[str, Any] = {"diagnostics": {"previous_message_id": "msg_1"}}
    expected = {"cache_miss_reason": {"type": "unavailable"}}
    assert (await asking.create(**asked)).json()["diagnostics"] == expected
    assert events_of(await asking.create(**asked, stream=True))[0][1]["message"]["diagnostics"] == expected
    assert "diagnostics" not in (await asking.create(diagnostics={"previous_message_id": None})).json()


async def test_the_length_of_a_prompt(asking: Asking, browser: Browser) -> None:
    tool = {"name": "clock", "input_schema": {"type": "object"}}
    body = {"model": KEY, "messages": [{"role": "user", "content": "12345"}], "system": "123", "tools": [tool]}
    answer = await browser.ask("POST", "/v1/messages/count_tokens", json=body)
    assert (answer.status, answer.json()) == (200, {"input_tokens": 8})
    (prompt,) = asking.instances.prompts
    assert [one.name for one in prompt[2].tools] == ["clock"]
    assert asking.instances.calls == []


async def test_betas_are_accepted_in_header_and_query(asking: Asking, browser: Browser) -> None:
    headers = {"anthropic-beta": "interleaved-thinking-2025-05-14,some-other", "anthropic-version": "2023-06-01"}
    answer = await browser.ask("POST", "/v1/messages?beta=true", json=message_body(), headers=headers)
    assert answer.status == 200


async def test_tokens_of_either_kind_are_asked_for_the_scope(asking: Asking, browser: Browser) -> None:
    asking.agent.settings.set("server.require_token", True)
    chat, embed = asking.agent.tokens.add("chat", "chat"), asking.agent.tokens.add("embed", "embed")
    for headers, status, type_ in (
        ({}, 401, "authentication_error"),
        ({"x-api-key": "nobody"}, 401, "authentication_error"),
        ({"x-api-key": embed}, 403, "permission_error"),
        ({"x-api-key": chat}, 200, ""),
        ({"Authorization": f"Bearer {chat}"}, 200, ""),
    ):
        answer = await asking.create(headers=headers)
        assert answer.status == status
        if status != 200:
            assert error_of(answer)["type"] == type_


async def test_other_refusals_have_its_shape(asking: Asking, browser: Browser) -> None:
    for answer, status in (
        (await browser.ask("GET", "/v1/messages"), 405),
        (await browser.ask("POST", "/v1/messages/batches", json={}), 404),
        (await browser.ask("POST", "/v1/messages", data=b"{}", headers={"Content-Type": "text/plain"}), 415),
        (await asking.create(headers={"Host": "evil.test"}), 403),
        (await asking.create(headers={"Origin": "https://evil.test"}), 403),
        (await asking.create(padding="x" * (17 * 1024 * 1024)), 413),
    ):
        assert answer.status == status
        error_of(answer)


async def test_a_client_that_leaves_stops_the_work(asking: Asking) -> None:
    asking.instances.endless = True
    url = f"{asking.agent.url}/v1/messages"
    async with asking.browser.session.post(url, json=message_body(stream=True)) as response:
        await response.content.readuntil(b"content_block_delta")
        response.close()
    async with asyncio.timeout(5):
        await asking.instances.closed.wait()
