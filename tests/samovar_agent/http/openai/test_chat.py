"""Replies whole and streamed, and what happens when something fails on the way."""

import asyncio
from typing import Any

import pytest

from samovar_agent.events import cause
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    AnyDelta,
    InstanceInfo,
    Progress,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.conftest import KEY, Agent, Browser

USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
TIMINGS = {
    "queue_seconds": 0.1,
    "load_seconds": 0.2,
    "prompt_seconds": 0.3,
    "decode_seconds": 0.5,
    "tokens_per_second": 4.0,
    "drafted_tokens": 2,
    "accepted_tokens": 1,
}


async def test_a_whole_reply(agent: Agent, browser: Browser) -> None:
    answer = await browser.chat()
    body = answer.json()
    assert body.pop("id").startswith("chatcmpl-") and body.pop("created") > 1_700_000_000
    assert body == {
        "object": "chat.completion",
        "model": KEY,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi there", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "samovar": TIMINGS,
    }
    assert answer.headers["Content-Type"] == "application/json"


async def test_programs_are_told_apart_so_that_they_can_take_turns(agent: Agent, browser: Browser) -> None:
    await browser.chat(headers={"User-Agent": "editor"})
    await browser.chat(headers={"User-Agent": "indexer"})
    await browser.chat(headers={"User-Agent": "editor"})
    one, two, three = agent.instances.clients
    assert one == three != two


async def test_a_streamed_reply(agent: Agent, browser: Browser) -> None:
    answer = await browser.chat(stream=True, stream_options={"include_usage": True})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"
    *chunks, done = answer.events
    assert done == "[DONE]"
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    assert chunks[0]["model"] == KEY and chunks[0]["object"] == "chat.completion.chunk"
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hi"},
        {"content": " there"},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
    assert all(choice["index"] == 0 and choice["logprobs"] is None for choice in choices)
    assert [chunk["usage"] for chunk in chunks] == [None, None, None, None, USAGE]
    assert chunks[-1]["choices"] == []
    assert chunks[-2]["samovar"] == TIMINGS


CALLS: list[AnyDelta] = [
    Thinking(text="A clock", tokens=2),
    Thinking(text="?"),
    ToolCallBegan(index=0, id="call_1", name="clock"),
    ToolCallArguments(index=0, json='{"zone":'),
    ToolCallArguments(index=0, json='"UTC"}'),
]


async def test_thinking_and_calls_in_a_whole_reply(agent: Agent, browser: Browser) -> None:
    agent.instances.items, agent.instances.finish_reasons = [*CALLS], ["tool_calls"]
    body = (await browser.chat()).json()
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone":"UTC"}'}}
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "reasoning_content": "A clock?",
                "tool_calls": [call],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ]
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


async def test_thinking_and_calls_in_a_stream(agent: Agent, browser: Browser) -> None:
    agent.instances.items, agent.instances.finish_reasons = [*CALLS], ["tool_calls"]
    answer = await browser.chat(stream=True, stream_options={"include_usage": True})
    choices = [choice for chunk in answer.events[:-1] for choice in chunk["choices"]]
    began = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "clock", "arguments": ""}}
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "A clock"},
        {"reasoning_content": "?"},
        {"tool_calls": [began]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"zone":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"UTC"}'}}]},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None] * 6 + ["tool_calls"]
    assert answer.events[-2]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


async def test_several_choices(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Text(text="A"), Text(text="B", choice=1), Text(text="a"), Text(text="C", choice=2)]
    agent.instances.finish_reasons = ["stop", "length", "stop"]
    choices = (await browser.chat(n=3)).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert [choice["message"]["content"] for choice in choices] == ["Aa", "B", "C"]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "length", "stop"]
    events = (await browser.chat(n=3, stream=True)).events
    pieces = [(choice["index"], choice["delta"].get("content")) for event in events[:-1] for choice in event["choices"]]
    roles, texts, ends = pieces[:3], pieces[3:7], pieces[7:]
    assert roles == [(0, ""), (1, ""), (2, "")]
    assert texts == [(0, "A"), (1, "B"), (0, "a"), (2, "C")]
    assert ends == [(0, None), (1, None), (2, None)]


async def test_logprobs(agent: Agent, browser: Browser) -> None:
    likely = TokenLogprob(text="Hi", data=b"Hi", logprob=-0.25, top=[TokenLogprob(text="Yo", data=b"Yo", logprob=-2.0)])
    agent.instances.items = [Text(text="Hi", logprobs=[likely])]
    entry = {
        "token": "Hi",
        "logprob": -0.25,
        "bytes": [72, 105],
        "top_logprobs": [{"token": "Yo", "logprob": -2.0, "bytes": [89, 111]}],
    }
    expected = {"content": [entry], "refusal": None}
    body = (await browser.chat(logprobs=True, top_logprobs=1)).json()
    assert body["choices"][0]["logprobs"] == expected
    events = (await browser.chat(logprobs=True, top_logprobs=1, stream=True)).events
    assert [event["choices"][0]["logprobs"] for event in events[:-1]] == [None, expected, None]


async def test_without_the_option_there_is_no_usage(agent: Agent, browser: Browser) -> None:
    answer = await browser.chat(stream=True)
    assert all("usage" not in chunk for chunk in answer.events[:-1])
    assert answer.events[-2]["choices"][0]["finish_reason"] == "stop"


async def test_a_reply_without_any_text(agent: Agent, browser: Browser) -> None:
    agent.instances.items = []
    events = (await browser.chat(stream=True)).events
    assert [event["choices"][0]["delta"].get("role") for event in events[:-1]] == ["assistant", None]


@pytest.mark.parametrize("text", ['"quotes"\n\ndata: [DONE]\r\n', "żółć 日本 🫖", "a\u2028b\u2029c\x85d", "\x00\x1f"])
async def test_any_text_survives_a_client_that_splits_lines(agent: Agent, browser: Browser, text: str) -> None:
    agent.instances.items = [Text(text=text)]
    answer = await browser.chat(stream=True)
    assert answer.events[1]["choices"][0]["delta"]["content"] == text
    assert len(answer.body.decode().splitlines()) == answer.body.count(b"\n")
    assert (await browser.chat()).json()["choices"][0]["message"]["content"] == text


async def test_loading_is_told_in_comments(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [
        Progress(stage="loading"),
        *(Progress(stage="loading", done=done, total=1, unit="ratio") for done in (0.421, 0.424, 1)),
        Text(text="Hi"),
    ]
    answer = await browser.chat(stream=True)
    assert answer.comments == ["loading", "loading 42 %", "loading 100 %"]
    assert answer.events[-1] == "[DONE]"
    assert (await browser.chat()).status == 200


async def test_comments_are_out_while_the_model_loads(agent: Agent, browser: Browser) -> None:
    loaded = asyncio.Event()
    agent.instances.items = [Progress(stage="loading"), loaded, Text(text="Hi")]
    async with browser.open_stream() as response, asyncio.timeout(5):
        assert response.status == 200
        await response.content.readuntil(b": loading\n\n")
        loaded.set()
        assert b"[DONE]" in await response.read()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (FailureCode.NOT_ENOUGH_MEMORY, 507),
        (FailureCode.CONTEXT_OVERFLOW, 400),
        (FailureCode.WORKER_CRASHED, 502),
        (FailureCode.BUSY, 429),
        (FailureCode.DEADLINE_EXCEEDED, 504),
    ],
)
async def test_a_failure_before_the_first_byte_has_its_status(
    agent: Agent, browser: Browser, stream: bool, code: FailureCode, status: int
) -> None:
    agent.instances.items = [SamovarError(code, "It did not work.", hint="Do this.")]
    answer = await browser.chat(stream=stream)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (status, code, "It did not work. Do this.")
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_unknown_model_is_404(agent: Agent, browser: Browser, stream: bool) -> None:
    answer = await browser.chat(model="nobody/knows", stream=stream)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (404, "model_unknown", "not_found_error")


async def test_a_failure_in_the_middle_is_the_last_event(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    answer = await browser.chat(stream=True)
    assert answer.status == 200 and "[DONE]" not in answer.events
    error = answer.events[-1]["error"]
    assert (error["code"], error["message"], error["type"]) == ("worker_crashed", "The worker died.", "server_error")
    assert (await browser.chat(model="x", messages=[])).status == 400, "the connection lives on"


async def test_a_defect_in_the_middle_is_told_without_details(
    agent: Agent, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    agent.instances.items = [Text(text="Once"), KeyError("secret detail")]
    answer = await browser.chat(stream=True)
    assert answer.events[-1]["error"]["code"] == "internal"
    assert b"secret detail" not in answer.body and "secret detail" in caplog.text


async def test_chunks_name_the_model_behind_an_identifier_or_alias(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [InstanceInfo(identifier="coder", model=KEY, state="ready")]
    for name, answered in (("coder", KEY), ("smollm", KEY), ("other", "other")):
        assert (await browser.chat(stream=True, model=name)).events[0]["model"] == answered


async def test_each_request_is_the_cause_of_what_it_does(
    agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    causes = []
    generate = agent.instances.generate

    def noted(*arguments: Any, **named: Any) -> Any:
        causes.append(cause.get())
        return generate(*arguments, **named)

    monkeypatch.setattr(agent.instances, "generate", noted)
    answers = [await browser.chat(), await browser.chat(stream=True)]
    assert causes == ["http-1", "http-2"] == [answer.headers["x-request-id"] for answer in answers]
