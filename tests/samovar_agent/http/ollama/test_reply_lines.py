import json
import time
from typing import Any

import msgspec
import pytest

from samovar_agent.engine.interface import Finished
from samovar_agent.engine.reply import ReplyBuilder
from samovar_agent.http.ollama.reply_lines import ChatShape, GenerateShape, ReplyLines, Shape
from samovar_agent.http.ollama.reply_types import ChatResponse, GenerateResponse
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import (
    AnyDelta,
    FinishReason,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.conftest import STATS
from tests.samovar_agent.http.described import told

DURATIONS = {
    "load_duration": 200_000_000,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 300_000_000,
    "eval_count": 3,
    "eval_duration": 500_000_000,
}


def built(deltas: list[AnyDelta], reason: FinishReason = "stop") -> ChatReply:
    reply = ReplyBuilder(1)
    for delta in deltas:
        reply.add(delta)
    return reply.build("k", Finished(finish_reasons=[reason], stats=STATS), 0.2)


def streamed(deltas: list[AnyDelta], reason: FinishReason = "stop", shape: Shape | None = None) -> list[dict[str, Any]]:
    lines = ReplyLines(shape or ChatShape(), "m", time.perf_counter_ns())
    data = lines.begin() + b"".join(lines.delta(delta) for delta in deltas) + lines.end(built(deltas, reason))
    assert data.endswith(b"\n")
    # As httpx splits them, on which the official client relies.
    return [json.loads(line) for line in data.decode().splitlines()]


def whole(deltas: list[AnyDelta], reason: FinishReason = "stop", shape: Shape | None = None) -> dict[str, Any]:
    lines = ReplyLines(shape or ChatShape(), "m", time.perf_counter_ns())
    return dict(json.loads(lines.whole(built(deltas, reason))))


def test_text_of_a_chat() -> None:
    first, second, done = streamed([Text(text="Hi"), Text(text=' "there"\n\u2028\x85é')])
    assert set(first) == {"model", "created_at", "message", "done"}
    assert (first["model"], first["message"], first["done"]) == ("m", {"role": "assistant", "content": "Hi"}, False)
    assert second["message"]["content"] == ' "there"\n\u2028\x85é'
    assert first["created_at"].endswith("Z") and len(first["created_at"]) == 27
    assert (done["message"], done["done"], done["done_reason"]) == ({"role": "assistant", "content": ""}, True, "stop")
    assert done.items() >= DURATIONS.items() and done["total_duration"] > 0


def test_text_of_a_generate() -> None:
    first, done = streamed([Text(text="Hi")], "length", GenerateShape())
    assert (first["response"], first["done"]) == ("Hi", False) and "message" not in first
    assert (done["response"], done["done_reason"]) == ("", "length")
    one = whole([Thinking(text="Hm"), Text(text="Hi")], "length", GenerateShape())
    assert (one["response"], one["thinking"], one["done"], one["done_reason"]) == ("Hi", "Hm", True, "length")


def test_thinking_is_apart() -> None:
    first, second, _ = streamed([Thinking(text="Hm"), Text(text="Hi")])
    assert first["message"] == {"role": "assistant", "content": "", "thinking": "Hm"}
    assert "thinking" not in second["message"]
    assert whole([Thinking(text="Hm"), Text(text="Hi")])["message"]["thinking"] == "Hm"


CALLS: list[AnyDelta] = [
    Text(text="Well"),
    ToolCallBegan(index=0, id="a", name="add"),
    ToolCallArguments(index=0, json='{"x": 12345678901234567890123,\n'),
    ToolCallArguments(index=0, json='"t": "\u2028\\n"}'),
    ToolCallBegan(index=1, id="b", name="none"),
]


def test_calls_come_whole_and_their_numbers_as_they_were_written() -> None:
    _, first, second, done = streamed(CALLS, "tool_calls")
    (call,) = first["message"]["tool_calls"]
    assert call == {
        "id": "a",
        "function": {"index": 0, "name": "add", "arguments": {"x": 12345678901234567890123, "t": "\u2028\n"}},
    }
    assert second["message"]["tool_calls"][0]["function"] == {"index": 1, "name": "none", "arguments": {}}
    assert (first["done"], done["done_reason"]) == (False, "stop")
    one = whole(CALLS, "tool_calls")
    assert [entry["function"]["name"] for entry in one["message"]["tool_calls"]] == ["add", "none"]
    assert one["done_reason"] == "stop"


@pytest.mark.parametrize("arguments", ['{"x": 1', "[1]", "nonsense", '{"x": ' + "[" * 5000])
def test_a_call_that_was_cut_off_is_none(arguments: str) -> None:
    cut: list[AnyDelta] = [ToolCallBegan(index=0, id="a", name="f"), ToolCallArguments(index=0, json=arguments)]
    (done,) = streamed(cut, "length")
    assert done["done_reason"] == "length" and "tool_calls" not in done["message"]
    assert "tool_calls" not in whole(cut, "length")["message"]


def test_logprobs() -> None:
    other = TokenLogprob(text="Ho", data=b"Ho", logprob=float("-inf"))
    token = TokenLogprob(text="\u2028", data=b"\xe2\x80\xa8", logprob=-0.5, top=[other])
    expected = [
        {
            "token": "\u2028",
            "logprob": -0.5,
            "bytes": [226, 128, 168],
            "top_logprobs": [{"token": "Ho", "logprob": -9999.0, "bytes": [72, 111]}],
        }
    ]
    first, _ = streamed([Text(text="\u2028", logprobs=[token])])
    assert first["logprobs"] == expected
    assert whole([Text(text="\u2028", logprobs=[token])])["logprobs"] == expected


def test_lines_that_add_nothing() -> None:
    lines = ReplyLines(ChatShape(), 'a "b"', 0)
    silent, told = json.loads(lines.waiting("")), json.loads(lines.waiting("loading 40 %"))
    assert (silent["model"], silent["message"]["content"], silent["done"]) == ('a "b"', "", False)
    assert "samovar" not in silent and told["samovar"] == "loading 40 %"
    loaded = json.loads(lines.nothing("load"))
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")


@pytest.mark.parametrize(("shape", "kind"), [(ChatShape(), ChatResponse), (GenerateShape(), GenerateResponse)])
def test_every_line_is_of_the_type_that_describes_it(shape: Shape, kind: Any) -> None:
    other = TokenLogprob(text="x", logprob=float("-inf"), data=b"x")
    scores = [TokenLogprob(text="é", logprob=-0.5, data="é".encode(), top=[other])]
    calls = [ToolCallBegan(index=0, id="c", name="f"), ToolCallArguments(index=0, json='{"a": [1, {}]}')]
    deltas: list[AnyDelta] = [Thinking(text="Well"), Text(text="Hi", logprobs=scores), *calls]
    lines = ReplyLines(shape, "m", time.perf_counter_ns())
    written = [
        *streamed(deltas, shape=shape),
        *streamed(deltas, "length", shape),
        whole(deltas, shape=shape),
        *(json.loads(line) for line in (lines.nothing("load"), lines.nothing("unload"), lines.waiting("loading 5 %"))),
    ]
    assert all(told(kind, line) for line in written)
    assert {name for line in written for name in line} == {field.encode_name for field in msgspec.structs.fields(kind)}
