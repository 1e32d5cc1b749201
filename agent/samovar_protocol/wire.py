"""Messages as bytes: JSON objects, one in a ZeroMQ frame.

Client to agent (DEALER to ROUTER): `{"v": 1, "id": "…", "request": {"type": …}}`.
Agent to client: `{"kind": "chunk" | "done" | "failed", "id": "…", …}`.
Events (XPUB to SUB): two frames, the topic and `{"v": 1, "sequence": …, "time": …, "cause": …, "event": {…}}`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from samovar_protocol.events import AnyEvent
from samovar_protocol.failures import Failure, FailureCode, SamovarError
from samovar_protocol.requests import AnyRequest, Request
from samovar_protocol.version import PROTOCOL_VERSION

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Largest message either way; ZeroMQ drops the connection of a peer that sends more (ZMQ_MAXMSGSIZE)."""

T = TypeVar("T")
RequestId = Annotated[str, Meta(min_length=1, max_length=64)]


class RequestMessage(msgspec.Struct, frozen=True):
    """A request on the wire. - v: the protocol's major version. - id: chosen by the client, unique among its own."""

    v: int
    id: RequestId
    request: msgspec.Raw


class ChunkMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="chunk"):
    """One piece of a streamed answer."""

    id: str
    chunk: msgspec.Raw


class DoneMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="done"):
    """The answer; nothing follows."""

    id: str
    reply: msgspec.Raw


class FailedMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="failed"):
    """The failure; nothing follows. - id: empty where the request's own id could not be read."""

    id: str
    failure: Failure


AnswerMessage = ChunkMessage | DoneMessage | FailedMessage


class EventMessage(msgspec.Struct, frozen=True):
    """An event on the wire. - sequence: counts all events, so a gap shows a loss.

    - cause: id of the request that made it happen, or None.
    """

    v: int
    sequence: int
    time: float
    cause: str | None
    event: AnyEvent


_encoder = msgspec.json.Encoder()
_message_decoder = msgspec.json.Decoder(RequestMessage)
_request_decoder: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
_answer_decoder: msgspec.json.Decoder[AnswerMessage] = msgspec.json.Decoder(AnswerMessage)
_event_decoder = msgspec.json.Decoder(EventMessage)
_REQUEST_TYPES = frozenset(str(cls.__struct_config__.tag) for cls in AnyRequest.__args__)


class _TypeOnly(msgspec.Struct):
    type: str = ""


def encode_request(request_id: str, request: Request[Any]) -> bytes:
    """A request as one frame; raises `too_large` before anything is sent."""
    frame = _encoder.encode(RequestMessage(PROTOCOL_VERSION[0], request_id, msgspec.Raw(_encoder.encode(request))))
    if len(frame) > MAX_FRAME_BYTES:
        raise SamovarError(
            FailureCode.TOO_LARGE,
            f"The request has {len(frame):,} bytes; the limit is {MAX_FRAME_BYTES:,}.",
            hint="Send less text at once.",
        )
    return frame


def decode_message(frame: bytes | memoryview) -> RequestMessage:
    """The envelope of a request; raises `bad_request`."""
    try:
        return _message_decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SamovarError(
            FailureCode.BAD_REQUEST, f"The message is not a request: {error}.", hint="See PROTOCOL.md for its shape."
        ) from error


def decode_request(message: RequestMessage) -> AnyRequest:
    """The request in an envelope; raises `unsupported_version`, `unknown_request` or `bad_request`."""
    major = PROTOCOL_VERSION[0]
    if message.v != major:
        raise SamovarError(
            FailureCode.UNSUPPORTED_VERSION,
            f"The client speaks version {message.v} of the protocol, this agent version {major}.",
            hint="Update the older of the two.",
        )
    try:
        return _request_decoder.decode(message.request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        kind = _request_type(message.request)
        if kind is not None and kind not in _REQUEST_TYPES:
            raise SamovarError(
                FailureCode.UNKNOWN_REQUEST,
                f"This agent does not know the request '{kind[:100]}'.",
                hint="The client may be newer: update the agent.",
            ) from error
        raise SamovarError(
            FailureCode.BAD_REQUEST, f"The request '{kind}' is not valid: {error}.", hint="See PROTOCOL.md."
        ) from error


def _request_type(request: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(request, type=_TypeOnly).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def encode_chunk(request_id: str, chunk: object) -> bytes:
    """One piece of a streamed answer as a frame."""
    return _encoder.encode(ChunkMessage(request_id, msgspec.Raw(_encoder.encode(chunk))))


def encode_done(request_id: str, reply: object) -> bytes:
    """The final answer as a frame."""
    return _encoder.encode(DoneMessage(request_id, msgspec.Raw(_encoder.encode(reply))))


def encode_failed(request_id: str, failure: Failure) -> bytes:
    """A failure as a frame."""
    return _encoder.encode(FailedMessage(request_id, failure))


def decode_answer(frame: bytes | memoryview) -> AnswerMessage:
    """What the agent sent back; raises `bad_request` where it is not an answer."""
    return _decode(_answer_decoder, frame)


def decode_body(raw: msgspec.Raw, body_type: type[T]) -> T:
    """The chunk or reply inside an answer, as the type that the request names."""
    return _decode(msgspec.json.Decoder(body_type), raw)


def encode_event(sequence: int, time: float, cause: str | None, event: AnyEvent) -> list[bytes]:
    """An event as its two frames: topic and message."""
    topic = str(type(event).__struct_config__.tag).encode()
    return [topic, _encoder.encode(EventMessage(PROTOCOL_VERSION[0], sequence, time, cause, event))]


def decode_event(frames: list[bytes]) -> EventMessage | None:
    """An event, or None for a type or shape that this version does not know."""
    try:
        return _event_decoder.decode(frames[-1])
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        return None


def _decode(decoder: msgspec.json.Decoder[T], data: bytes | memoryview | msgspec.Raw) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"The agent sent something this client does not understand: {error}.",
            hint="Update the older of the two.",
        ) from error
