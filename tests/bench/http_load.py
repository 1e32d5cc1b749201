"""Clients of the local server that cost next to nothing, in a process of their own; prints what it saw as JSON.

`python -m tests.bench.http_load requests PORT PATH CONNECTIONS SECONDS`: each connection asks again as soon as it is
answered. `… streams PORT MODEL STREAMS TOKENS`: so many chats at the same time, each read to its end.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import uvloop

from tests.bench.report import percentile

_DEADLINE = 300.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_NUMBERS = re.compile(rb'"delta":\{"content":"((?:\d+ )+)"\}')
"""Where the agent is late, several tokens come as one piece."""


class _Asking(asyncio.Protocol):
    """One connection. - seconds: of each answer; their sizes are the same, because the request is."""

    def __init__(self, request: bytes, lost: asyncio.Future[None]) -> None:
        self.seconds: list[float] = []
        self._request, self._lost = request, lost
        self._size = self._came = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def data_received(self, data: bytes) -> None:
        if not self._size:
            found = _LENGTH.search(data)
            if not data.startswith(b"HTTP/1.1 200 ") or found is None:
                self._fail(ValueError(f"not an answer to measure: {data[:200]!r}"))
                return
            self._size = data.index(b"\r\n\r\n") + 4 + int(found[1])
        self._came += len(data)
        if self._came == self._size:
            self.seconds.append(time.perf_counter() - self._began)
            self._ask()
        elif self._came > self._size:
            self._fail(ValueError("an answer is longer than the first one"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed a connection"))

    def _ask(self) -> None:
        self._came = 0
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def _fail(self, error: Exception) -> None:
        if not self._lost.done():
            self._lost.set_exception(error)


async def requests(port: int, path: str, connections: int, seconds: float) -> dict[str, float]:
    """Requests a second, and milliseconds that half and 99 of 100 took."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    lost: asyncio.Future[None] = loop.create_future()
    asking = [
        (await loop.create_connection(lambda: _Asking(request, lost), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    began = time.perf_counter()
    done, _ = await asyncio.wait([lost], timeout=seconds)
    for future in done:
        future.result()
    took = time.perf_counter() - began
    milliseconds = [1000 * each for one in asking for each in one.seconds]
    return {
        "requests": len(milliseconds),
        "rate": len(milliseconds) / took,
        "p50": percentile(milliseconds, 50),
        "p99": percentile(milliseconds, 99),
    }


async def streams(port: int, model: str, count: int, tokens: int) -> dict[str, float]:
    """How many tokens came, and how many of the streams were whole and in order."""
    whole = await asyncio.gather(*(_stream(port, model, tokens) for _ in range(count)))
    return {"tokens": sum(came for came, _ in whole), "whole": sum(good for _, good in whole)}


async def _stream(port: int, model: str, tokens: int) -> tuple[int, bool]:
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "Count."}], "max_tokens": tokens, "stream": True}
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + body)
        said = await asyncio.wait_for(reader.read(), _DEADLINE)
    finally:
        writer.close()
    numbers = [int(number) for piece in _NUMBERS.findall(said) for number in piece.split()]
    return len(numbers), numbers == list(range(tokens)) and b"data: [DONE]" in said


def main(what: str, port: str, *rest: str) -> None:
    """Measure and print."""
    if what == "requests":
        path, connections, seconds = rest
        found = uvloop.run(requests(int(port), path, int(connections), float(seconds)))
    else:
        model, count, tokens = rest
        found = uvloop.run(streams(int(port), model, int(count), int(tokens)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
