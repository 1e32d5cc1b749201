"""A client of `/v1/chat/completions` that costs next to nothing, so that it is not what gets measured."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import msgspec

from samovar_protocol.values import Message


class _Timings(msgspec.Struct):
    decode_seconds: float


class _Usage(msgspec.Struct):
    completion_tokens: int


class _Chunk(msgspec.Struct):
    samovar: _Timings | None = None
    usage: _Usage | None = None


class Reply(msgspec.Struct, frozen=True):
    """One streamed reply. - first, last: seconds until text came here. - decoding: seconds, by the worker's clock."""

    tokens: int
    first: float
    last: float
    decoding: float

    @property
    def here(self) -> float:
        """Tokens a second as they arrived."""
        return (self.tokens - 1) / (self.last - self.first)

    @property
    def worker(self) -> float:
        """Tokens a second as the worker measured them."""
        return (self.tokens - 1) / self.decoding


async def ask(url: str, model: str, messages: list[Message], max_tokens: int) -> Reply:
    """Stream one reply of exactly `max_tokens` tokens. Raises ValueError where it was refused or ended early."""
    address = urlsplit(url)
    body = msgspec.json.encode(
        {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.encode() + body)
        first = last = 0.0
        timings: _Timings | None = None
        usage: _Usage | None = None
        # Lines of the chunked transfer's own, between the events, do not begin with "data: ".
        async for line in reader:
            if b'"delta":{"content":' in line:
                last = time.perf_counter() - began
                first = first or last
            elif line.startswith(b"data: {"):
                chunk = msgspec.json.decode(line[6:], type=_Chunk)
                timings, usage = chunk.samovar or timings, chunk.usage or usage
    finally:
        writer.close()
    if timings is None or usage is None or usage.completion_tokens != max_tokens:
        raise ValueError(f"the reply was not one of {max_tokens} tokens: {timings} {usage}")
    return Reply(tokens=max_tokens, first=first, last=last, decoding=timings.decode_seconds)
