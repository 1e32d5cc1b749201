"""Messages between the agent and a worker: 4 bytes of length, big-endian, then msgpack.

pipe.write(encode(Cancel(id=3)))
for answer in answer_decoder().feed(data): ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from samovar_agent.engine.interface import (
    Detokenized,
    Embedded,
    Embedding,
    Finished,
    Generation,
    Loaded,
    LoadOptions,
    Question,
    Ranked,
    Ranking,
    RenderedPrompt,
    Tokenized,
)
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import AnyDelta, Text, Thinking, ToolCallArguments

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message either way; four times what a client may send, since msgpack of it is never that much larger."""

_LENGTH = struct.Struct(">I")
T = TypeVar("T")


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Load the model; once, and before anything else."""

    options: LoadOptions


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    """Compute a reply; all answers to it carry this id."""

    id: int
    generation: Generation


class Embed(msgspec.Struct, frozen=True, tag="embed"):
    """Compute vectors; answered by `Answered` or `Failed` with this id."""

    id: int
    embedding: Embedding


class Rank(msgspec.Struct, frozen=True, tag="rank"):
    """Compare documents with a query; answered by `Answered` or `Failed` with this id."""

    id: int
    ranking: Ranking


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question; answered by `Answered` or `Failed` with this id, beside whatever is being computed."""

    id: int
    question: Question


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop that work now. Not answered."""

    id: int


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """Stop all work, free the model and end."""


Command = Load | Generate | Embed | Rank | Ask | Cancel | Unload


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The worker is up and reads commands."""


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """How far loading is, 0 to 1."""

    progress: float


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The model could not be loaded; the worker ends."""

    failure: Failure


class Began(msgspec.Struct, frozen=True, tag="began"):
    """This request left the queue. - prompt_tokens, cached_tokens: as in `Stats`."""

    id: int
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """How far this request's prompt is read, above 0 and below 1; only of prompts that take several steps."""

    id: int
    progress: float


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """More of a reply."""

    id: int
    delta: AnyDelta


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A reply is complete."""

    id: int
    finished: Finished


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """What was asked for, whole."""

    id: int
    result: Embedded | Ranked | Tokenized | Detokenized | RenderedPrompt


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The request ends here with a failure."""

    id: int
    failure: Failure


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The loop that computes took another step. Said by that loop itself, about once a second while it has work."""


class CacheChanged(msgspec.Struct, frozen=True, tag="cache"):
    """What happened to computed prefixes since this was last said.

    - evictions: made room for others. - restored, saved: read from disk and written to it.
    """

    evictions: int
    restored: int
    saved: int


Answer = (
    Hello | Loading | Loaded | LoadFailed | Began | Reading | Piece | Done | Answered | Failed | Alive | CacheChanged
)

_encoder = msgspec.msgpack.Encoder()


def joined(one: Piece, other: Piece) -> Piece | None:
    """Two pieces that follow each other as one; None where they are of different kinds or replies."""
    left, right = one.delta, other.delta
    if one.id != other.id or type(left) is not type(right) or left.choice != right.choice:
        return None
    if isinstance(left, Text | Thinking) and isinstance(right, Text | Thinking):
        if bool(left.tokens) != bool(right.tokens):
            return None  # what is told of a prompt is no part of the reply
        text, tokens, logprobs = left.text + right.text, left.tokens + right.tokens, left.logprobs + right.logprobs
        return Piece(one.id, msgspec.structs.replace(left, text=text, tokens=tokens, logprobs=logprobs))
    if isinstance(left, ToolCallArguments) and isinstance(right, ToolCallArguments) and left.index == right.index:
        return Piece(one.id, msgspec.structs.replace(left, json=left.json + right.json))
    return None


def encode(message: Command | Answer) -> bytes:
    """A message as a frame; raises `too_large`."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise SamovarError(
            FailureCode.TOO_LARGE,
            f"The message has {len(body):,} bytes; the limit is {MAX_MESSAGE_BYTES:,}.",
            hint="Send less text at once.",
        )
    return _LENGTH.pack(len(body)) + body


class BrokenStreamError(Exception):
    """The bytes are no messages: something else wrote into the pipe."""


class FrameDecoder(Generic[T]):
    """Cuts a stream of bytes into messages, however it was split on the way."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[T]:
        """Every message that is complete now; raises `BrokenStreamError`."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, start)
                if length > MAX_MESSAGE_BYTES:
                    raise BrokenStreamError(f"a message of {length:,} bytes")
                end = start + _LENGTH.size + length
                if len(buffer) < end:
                    break
                body = bytes(buffer[start + _LENGTH.size : end])
                start = end
                try:
                    message = self._decoder.decode(body)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    raise BrokenStreamError(str(error)) from error
                yield message
        finally:
            del buffer[:start]


def command_decoder() -> FrameDecoder[Command]:
    """For the worker's side."""
    return FrameDecoder(msgspec.msgpack.Decoder(Command))


def answer_decoder() -> FrameDecoder[Answer]:
    """For the agent's side."""
    return FrameDecoder(msgspec.msgpack.Decoder(Answer))
