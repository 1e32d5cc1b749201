"""The codec: what goes in comes out, and what is wrong gets the right failure."""

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.failures import Failure
from samovar_protocol.replies import ChatReply, EmbedReply, LoadReply, PingReply, StatusReply
from samovar_protocol.requests import AnyRequest, Chat, Load, Ping, Request, Status, chunk_type, reply_type
from samovar_protocol.values import (
    AnyDelta,
    Message,
    Progress,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)
from samovar_protocol.wire import (
    MAX_FRAME_BYTES,
    ChunkMessage,
    DoneMessage,
    FailedMessage,
    decode_answer,
    decode_body,
    decode_event,
    decode_message,
    decode_request,
    encode_chunk,
    encode_done,
    encode_event,
    encode_failed,
    encode_request,
)


def decoded(message: dict[str, Any]) -> AnyRequest:
    return decode_request(decode_message(json.dumps(message).encode()))


def code_of(message: dict[str, Any]) -> str:
    with pytest.raises(SamovarError) as raised:
        decoded(message)
    assert raised.value.failure.message
    assert raised.value.hint
    return raised.value.code


def test_a_request_survives_the_wire() -> None:
    request = Chat(messages=[Message(role="user", content="x")])
    message = decode_message(encode_request("a-1", request))
    assert message.id == "a-1"
    assert decode_request(message) == request


def test_every_request_names_its_reply() -> None:
    assert reply_type(Status()) is StatusReply
    assert reply_type(Load(name="x")) is LoadReply
    assert chunk_type(Load(name="x")) is Progress
    assert chunk_type(Chat(messages=[Message(role="user", content="x")])) == AnyDelta | Progress
    for request in AnyRequest.__args__:
        assert issubclass(request, Request)


def test_unknown_fields_are_ignored() -> None:
    assert decoded({"v": 1, "id": "1", "zzz": 1, "request": {"type": "ping", "from_the_future": [1]}}) == Ping()


def test_another_major_version_is_refused() -> None:
    assert code_of({"v": 2, "id": "1", "request": {"type": "ping"}}) == FailureCode.UNSUPPORTED_VERSION


def test_an_unknown_request_is_not_called_malformed() -> None:
    assert code_of({"v": 1, "id": "1", "request": {"type": "teleport"}}) == FailureCode.UNKNOWN_REQUEST


@pytest.mark.parametrize(
    "request_body",
    [
        {"type": "load"},
        {"type": "load", "name": 7},
        {"type": "load", "name": ""},
        {"type": "load", "name": "x", "context": -1},
        {"type": "load", "name": "x" * 301},
        {"type": "chat", "messages": []},
        {"type": "chat", "messages": [{"role": "wizard", "content": "x"}]},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "sampling": {"temperature": "hot"}},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "options": {"n": 17}},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "options": {"tools": [{"name": ""}]}},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "options": {"reply_format": {"type": "xml"}}},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "options": {"deadline_seconds": 0}},
        {"type": "chat", "messages": [{"role": "user", "content": "x"}], "sampling": {"logit_bias": {"5": 101}}},
        {"type": "embed", "inputs": []},
        {"type": "embed", "inputs": [["x"]]},
        {"type": "embed", "inputs": ["x"], "dimensions": 0},
        {"type": "rerank", "query": "", "documents": ["x"]},
        {"type": "rerank", "query": "x", "documents": []},
        {"type": "token_create", "name": "x", "scopes": []},
        [],
        "ping",
        None,
    ],
)
def test_wrong_types_and_ranges_are_bad_requests(request_body: object) -> None:
    assert code_of({"v": 1, "id": "1", "request": request_body}) == FailureCode.BAD_REQUEST


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff\xfe", b"{", b"[]", b'{"v":1}', b'{"v":"1","id":"1","request":{}}', b'{"v":1,"id":"","request":{}}'],
)
def test_garbage_is_a_bad_request(frame: bytes) -> None:
    with pytest.raises(SamovarError) as raised:
        decode_message(frame)
    assert raised.value.code == FailureCode.BAD_REQUEST


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_else(frame: bytes) -> None:
    try:
        decode_request(decode_message(frame))
    except SamovarError as error:
        assert error.failure.message


def test_deep_nesting_is_refused_not_fatal() -> None:
    with pytest.raises(SamovarError):
        decode_message(b'{"v":1,"id":"1","request":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_an_oversized_request_fails_before_it_is_sent() -> None:
    with pytest.raises(SamovarError) as raised:
        encode_request("1", Chat(messages=[Message(role="user", content="x" * MAX_FRAME_BYTES)]))
    assert raised.value.code == FailureCode.TOO_LARGE


def test_answers_survive_the_wire() -> None:
    done = decode_answer(encode_done("1", PingReply()))
    assert isinstance(done, DoneMessage)
    assert decode_body(done.reply, PingReply) == PingReply()
    failure = Failure(code="disk_full", message="m", hint="h", details={"need_bytes": 1})
    assert decode_answer(encode_failed("1", failure)) == FailedMessage("1", failure)


@pytest.mark.parametrize(
    "delta",
    [
        Text(text="x"),
        Text(text="é", choice=2, tokens=2, logprobs=[TokenLogprob(text="\ufffd", data=b"\xc3", logprob=-0.5, top=[])]),
        Thinking(text="Hm."),
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=1, json='{"zone":'),
    ],
    ids=lambda delta: type(delta).__name__,
)
def test_every_piece_of_a_reply_survives_the_wire(delta: AnyDelta) -> None:
    chunk = decode_answer(encode_chunk("1", delta))
    assert isinstance(chunk, ChunkMessage)
    assert decode_body(chunk.chunk, chunk_type(Chat(messages=[Message(role="user", content="x")]))) == delta


def test_vectors_come_out_as_rows() -> None:
    reply = EmbedReply(model="m", dimensions=2, vectors=struct.pack("<4f", 1, 2, 3, 4), prompt_tokens=1, seconds=0)
    assert reply.rows() == [[1.0, 2.0], [3.0, 4.0]]


def test_an_answer_of_another_shape_is_a_typed_failure() -> None:
    with pytest.raises(SamovarError):
        decode_body(msgspec.Raw(b'{"text": 1}'), ChatReply)


def test_events_survive_the_wire_and_unknown_ones_are_skipped() -> None:
    frames = encode_event(5, 1.5, "a-1", LibraryChanged(models=2))
    assert frames[0] == b"library"
    message = decode_event(frames)
    assert message is not None
    assert (message.sequence, message.cause, message.event) == (5, "a-1", LibraryChanged(models=2))
    assert decode_event([b"x", b'{"v":1,"sequence":1,"time":0,"cause":null,"event":{"type":"aurora"}}']) is None
    assert decode_event([]) is None
