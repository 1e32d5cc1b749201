"""A reply that many ask for, made into bytes once: aiohttp takes longer for a response's head than we for all else."""

from __future__ import annotations

import time
from email.utils import formatdate

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from samovar_agent.http.incoming import SERVER

_HEADERS = {"Content-Type": "application/json"}


class KeptReply:
    """JSON that answers any number of requests.

    kept = KeptReply(b'{"object": "list", …}')
    return kept.answer(request)
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._whole = _Whole(body)

    def answer(self, request: web.BaseRequest) -> web.Response:
        """The same object for every request that asks for nothing special; otherwise one that aiohttp makes."""
        if (
            request.method == "GET"
            and request.version == HttpVersion11
            and request.keep_alive
            and "Origin" not in request.headers  # would get further headers
        ):
            return self._whole
        return web.Response(body=self._body, headers=_HEADERS)


class _Whole(web.Response):
    """Sent in one piece. It keeps nothing of a request, so it may be on its way to many at once."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body=body, headers=_HEADERS)
        self._keep_alive = True
        self._head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nServer: {SERVER}\r\n"
        )
        self._json = body
        self._second = 0
        self._bytes = b""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send everything."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._bytes = f"{self._head}Date: {formatdate(now, usegmt=True)}\r\n\r\n".encode() + self._json
        await request.writer.write(self._bytes)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """It was sent already."""
