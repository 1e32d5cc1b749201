"""Vectors as JSON, some at a time: 20,000 of them are 150 MB, which would hold up everybody else for a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from samovar_protocol.replies import EmbedReply

NUMBER_BYTES = 4
_PORTION_NUMBERS = 100_000
"""Encoded without a pause; about 10 ms."""


async def json_list(reply: EmbedReply, entry: Callable[[int, bytes], object]) -> bytes:
    """The vectors as a JSON list. - entry: what stands for a vector, given its index and its numbers as bytes."""
    width = reply.dimensions * NUMBER_BYTES
    count = len(reply.vectors) // width
    at_once = max(1, _PORTION_NUMBERS // reply.dimensions)
    portions = []
    for begin in range(0, count, at_once):
        if begin:
            await asyncio.sleep(0)
        indices = range(begin, min(begin + at_once, count))
        entries = [entry(index, reply.vectors[index * width : (index + 1) * width]) for index in indices]
        portions.append(msgspec.json.encode(entries)[1:-1])
    return b"[%b]" % b",".join(portions)
