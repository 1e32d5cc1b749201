"""The events of a stream, byte for byte."""

import json

from samovar_agent.engine.interface import Started
from samovar_agent.http.anthropic.events import MessageEvents
from samovar_agent.http.anthropic.signature import holding
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Stats, Text, Thinking, ToolCallArguments, ToolCallBegan

STATS = Stats(prompt_tokens=12, cached_tokens=8, completion_tokens=5)
REPLY = ChatReply(model="p/m", text="", finish_reason="stop", stats=STATS)
USAGE = (
    b'{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":8,"output_tokens":5,'
    b'"output_tokens_details":{"thinking_tokens":%d},"service_tier":"standard"}'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def events(*, shows_thinking: bool = True, diagnosed: bool = False, max_tokens: int = 9) -> MessageEvents:
    return MessageEvents(
        Started(prompt_tokens=12, cached_tokens=4),
        id="msg_1",
        model="p/m",
        max_tokens=max_tokens,
        shows_thinking=shows_thinking,
        diagnosed=diagnosed,
    )


def started(index: int, block: bytes) -> bytes:
    data = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (index, block)
    return b"event: content_block_start\ndata: %b\n\n" % data


def piece(index: int, delta: bytes) -> bytes:
    data = b'{"type":"content_block_delta","index":%d,"delta":%b}' % (index, delta)
    return b"event: content_block_delta\ndata: %b\n\n" % data


def stopped(index: int) -> bytes:
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def ended(reason: bytes, stop: bytes = b"null", thinking: int = 0) -> bytes:
    delta = b'{"stop_reason":"%b","stop_sequence":%b}' % (reason, stop)
    data = b'{"type":"message_delta","delta":%b,"usage":%b}' % (delta, USAGE % thinking)
    return b"event: message_delta\ndata: %b\n\n" % data + STOP


def test_the_beginning() -> None:
    name, data, *rest = events().begin().split(b"\n")
    assert (name, rest) == (b"event: message_start", [b"", b""])
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "p/m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 8,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 4,
                "output_tokens": 0,
                "output_tokens_details": {"thinking_tokens": 0},
                "service_tier": "standard",
            },
        },
    }
    assert b'"diagnostics":{"cache_miss_reason":{"type":"unavailable"}}' in events(diagnosed=True).begin()


def test_text_is_one_block() -> None:
    stream = events()
    assert stream.delta(Text(text='"Hi"')) == started(0, b'{"type":"text","text":""}') + piece(
        0, b'{"type":"text_delta","text":"\\"Hi\\""}'
    )
    assert stream.delta(Text(text="\u2028")) == piece(0, b'{"type":"text_delta","text":"\\u2028"}')
    assert stream.end(REPLY) == stopped(0) + ended(b"end_turn")


ALL: list[AnyDelta] = [
    Thinking(text="Hm", tokens=2),
    Thinking(text="."),
    Text(text="Yes"),
    ToolCallBegan(index=0, id="call_1", name="clock"),
    ToolCallArguments(index=0, json='{"a":'),
    ToolCallArguments(index=0, json="1}"),
    ToolCallBegan(index=1, id="call_2", name="tea"),
    ToolCallArguments(index=1, json="{}"),
]


def test_blocks_follow_each_other_and_thinking_is_signed() -> None:
    stream = events()
    assert b"".join(map(stream.delta, ALL)) == b"".join(
        [
            started(0, b'{"type":"thinking","thinking":"","signature":""}'),
            piece(0, b'{"type":"thinking_delta","thinking":"Hm"}'),
            piece(0, b'{"type":"thinking_delta","thinking":"."}'),
            piece(0, b'{"type":"signature_delta","signature":"samovar"}'),
            stopped(0),
            started(1, b'{"type":"text","text":""}'),
            piece(1, b'{"type":"text_delta","text":"Yes"}'),
            stopped(1),
            started(2, b'{"type":"tool_use","id":"call_1","name":"clock","input":{}}'),
            piece(2, b'{"type":"input_json_delta","partial_json":"{\\"a\\":"}'),
            piece(2, b'{"type":"input_json_delta","partial_json":"1}"}'),
            stopped(2),
            started(3, b'{"type":"tool_use","id":"call_2","name":"tea","input":{}}'),
            piece(3, b'{"type":"input_json_delta","partial_json":"{}"}'),
        ]
    )
    reply = ChatReply(model="p/m", text="Yes", finish_reason="tool_calls", stats=STATS)
    assert stream.end(reply) == stopped(3) + ended(b"tool_use", thinking=3)


def test_thinking_that_is_not_to_be_shown_is_only_counted() -> None:
    stream = events(shows_thinking=False)
    written = b"".join(map(stream.delta, ALL[:2]))
    assert written == started(0, b'{"type":"thinking","thinking":"","signature":""}')
    signed = piece(0, b'{"type":"signature_delta","signature":"%b"}' % holding("Hm.").encode())
    assert stream.end(REPLY) == signed + stopped(0) + ended(b"end_turn", thinking=3)


def test_why_it_ended() -> None:
    def end(reason: str, stop_text: str | None = None, max_tokens: int = 9) -> bytes:
        reply = ChatReply(model="p/m", text="", finish_reason=reason, stop_text=stop_text, stats=STATS)  # type: ignore[arg-type]
        return events(max_tokens=max_tokens).end(reply)

    assert end("stop") == ended(b"end_turn")
    assert end("stop", "E\x85\u2028") == ended(b"stop_sequence", b'"E\\u0085\\u2028"')
    assert end("length", max_tokens=5) == ended(b"max_tokens")
    assert end("length", max_tokens=6) == ended(b"model_context_window_exceeded")
    assert end("tool_calls", "END") == ended(b"tool_use")
