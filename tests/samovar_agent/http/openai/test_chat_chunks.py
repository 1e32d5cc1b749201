"""The events of a stream, byte for byte."""

import json
import math

import pytest

from samovar_agent.http.openai.chat_chunks import Chunks
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import (
    AnyDelta,
    Choice,
    Stats,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)

HEAD = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"p/m","choices":['
TIMINGS = (
    b'{"queue_seconds":0.0,"load_seconds":0.0,"prompt_seconds":0.0,"decode_seconds":0.0,"tokens_per_second":0.0,'
    b'"drafted_tokens":0,"accepted_tokens":0}'
)
REPLY = ChatReply(model="p/m", text="", finish_reason="stop", stats=Stats(prompt_tokens=3, completion_tokens=4))


def chunks(n: int = 1, wants_usage: bool = False) -> Chunks:
    return Chunks(id="chatcmpl-1", created=5, model="p/m", n=n, wants_usage=wants_usage)


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (Text(text='"Hi"'), b'{"index":0,"delta":{"content":"\\"Hi\\""},"logprobs":null'),
        (Text(text="\u2028", choice=1), b'{"index":1,"delta":{"content":"\\u2028"},"logprobs":null'),
        (Thinking(text="Hm\x85"), b'{"index":0,"delta":{"reasoning_content":"Hm\\u0085"},"logprobs":null'),
        (
            ToolCallBegan(index=1, id="call_1", name="clock", choice=1),
            b'{"index":1,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function",'
            b'"function":{"name":"clock","arguments":""}}]},"logprobs":null',
        ),
        (
            ToolCallArguments(index=0, json='{"a":'),
            b'{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":"}}]},"logprobs":null',
        ),
        (
            Text(
                text="é",
                logprobs=[
                    TokenLogprob(
                        text="é", data=b"\xc3\xa9", logprob=-0.5, top=[TokenLogprob(text="e", data=b"e", logprob=-1.5)]
                    )
                ],
            ),
            '{"index":0,"delta":{"content":"é"},"logprobs":{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],'
            '"top_logprobs":[{"token":"e","logprob":-1.5,"bytes":[101]}]}],"refusal":null}'.encode(),
        ),
        (
            Thinking(text="", logprobs=[TokenLogprob(text="", data=b"", logprob=-math.inf)]),
            b'{"index":0,"delta":{"reasoning_content":""},"logprobs":{"content":[{"token":"","logprob":-9999.0,'
            b'"bytes":[],"top_logprobs":[]}],"refusal":null}',
        ),
    ],
)
@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_delta(delta: AnyDelta, expected: bytes, wants_usage: bool) -> None:
    usage = b',"usage":null' if wants_usage else b""
    assert chunks(2, wants_usage).delta(delta) == HEAD + expected + b',"finish_reason":null}]' + usage + b"}\n\n"


def test_every_choice_begins_with_its_role() -> None:
    role = b',"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}\n\n'
    assert chunks().begin() == HEAD + b'{"index":0' + role
    assert chunks(2).begin() == HEAD + b'{"index":0' + role + HEAD + b'{"index":1' + role


def test_the_end() -> None:
    end = HEAD + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"samovar":' + TIMINGS + b"}\n\n"
    assert chunks().end(REPLY) == end + b"data: [DONE]\n\n"


def test_each_choice_ends_for_its_own_reason_and_the_last_has_the_timings() -> None:
    others = [Choice(text="", finish_reason="length"), Choice(text="", finish_reason="tool_calls")]
    reply = ChatReply(model="p/m", text="", finish_reason="stop", stats=Stats(), alternatives=others)
    *events, done = chunks(3).end(reply).decode().split("\n\n")[:-1]
    assert done == "data: [DONE]"
    bodies = [json.loads(event.removeprefix("data: ")) for event in events]
    assert [(body["choices"][0]["index"], body["choices"][0]["finish_reason"]) for body in bodies] == [
        (0, "stop"),
        (1, "length"),
        (2, "tool_calls"),
    ]
    assert ["samovar" in body for body in bodies] == [False, False, True]


def test_usage_counts_what_was_thought() -> None:
    stream = chunks(wants_usage=True)
    stream.delta(Thinking(text="Hm", tokens=2))
    stream.delta(Text(text="4"))
    stream.delta(Thinking(text="Hm", tokens=1))
    usage = (
        b'],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":'
        b'{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}}\n\ndata: [DONE]\n\n'
    )
    assert stream.end(REPLY).endswith(b"\n\n" + HEAD + usage)
