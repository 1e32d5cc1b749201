"""Messages between the agent and a worker: 4 bytes of length, big-endian, then msgpack.

pipe.write(encode(Cancel(id=3)))
for answer in answer_decoder().feed(data): ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from samovar_agent.engine.interface import Finished, Generation, Loaded, LoadOptions
from samovar_protocol import Failure, FailureCode, SamovarError

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


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop that work now. Not answered."""

    id: int


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """Stop all work, free the model and end."""


Command = Load | Generate | Cancel | Unload


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The worker is up and reads commands."""


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """How far loading is, 0 to 1."""

    progress: float


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The model could not be loaded; the worker ends."""

    failure: Failure


class Began(msgspec.Struct, frozen=True, tag="began"):
    """This request left the queue."""

    id: int


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """More of a reply: whole characters, and how many tokens they took."""

    id: int
    text: str
    tokens: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A reply is complete."""

    id: int
    finished: Finished


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A reply ends here with a failure."""

    id: int
    failure: Failure


Answer = Hello | Loading | Loaded | LoadFailed | Began | Piece | Done | Failed

_encoder = msgspec.msgpack.Encoder()


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
