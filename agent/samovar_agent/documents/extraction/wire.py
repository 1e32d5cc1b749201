"""Messages between the agent and the process that reads files: 4 bytes of length, big-endian, then msgpack.

The agent says `Begin` once and gets `Ready`; then `Read`, one at a time, and for each gets `Done`.
"""

from __future__ import annotations

import msgspec

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.store.contents import NewChunk

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
LENGTH_BYTES = 4


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """What each file may take; said first."""

    limits: Limits


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read a file. - path: as the operating system has it; not every name is text.

    - cut_into: chunks of so many tokens, by an estimate; 0 for the text as a whole.
    """

    path: bytes
    cut_into: int = 0


Command = Begin | Read


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The process is up and knows its limits."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A file was read, or was not and `extracted.problem` says why. - exhausted: this process should read no more.

    - chunks: where they were asked for; they hold all of the text, which is not said again in `extracted`.
    """

    extracted: Extracted
    exhausted: bool = False
    chunks: list[NewChunk] = []


Answer = Ready | Done

_encoder = msgspec.msgpack.Encoder()
answers = msgspec.msgpack.Decoder(Answer)
commands = msgspec.msgpack.Decoder(Command)


def encode(message: Command | Answer) -> bytes:
    """A message as a frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
