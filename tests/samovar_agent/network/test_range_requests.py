"""Servers that say strange things of what they send; `test_transfer` has the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from samovar_protocol import FailureCode
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.network.test_transfer import SMALL, Fetch, fetch

__all__ = ["fetch", "hub_server"]

PAGE = b"<html>" + b"Please log in. " * 1000 + b"</html>"


class TestLoginPages:
    """Those that do not say how long they are, in place of the file."""

    def serve(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        send, left = fetch.file.send, times

        async def page(request: web.Request, *rest: Any) -> web.StreamResponse:
            nonlocal left
            if left <= 0:
                return await send(request, *rest)
            left -= 1
            response = web.StreamResponse(headers={"Content-Type": "text/html"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(PAGE)
            await response.write_eof()
            return response

        monkeypatch.setattr(fetch.file, "send", page)

    async def test_one_is_not_taken_for_the_file(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(fetch, monkeypatch, 1)
        await fetch.succeeds()

    async def test_one_that_stays_is_named(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(fetch, monkeypatch, 100)
        error = await fetch.fails(FailureCode.NETWORK_FAILED)
        assert "web page" in error.failure.message
        assert not fetch.partial.exists() or fetch.partial.stat().st_size == 0


async def test_a_size_of_five_thousand_digits(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lie(*_: Any) -> web.StreamResponse:
        return web.Response(status=416, headers={"Content-Range": "bytes */" + "9" * 5000})

    monkeypatch.setattr(fetch.file, "send", lie)
    await fetch.fails(FailureCode.DIGEST_MISMATCH)


class TestBytesThatAreNoText:
    async def answering(self, answer: bytes) -> tuple[asyncio.AbstractServer, str]:
        """A server that always says this, and its address."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.gguf"

    async def test_in_the_mark_of_a_version(self, fetch: Fetch) -> None:
        head = b'HTTP/1.1 200 OK\r\nETag: "caf\xe9"\r\nContent-Length: %d\r\n\r\n' % len(SMALL)
        server, url = await self.answering(head + SMALL)
        async with server:
            await fetch.succeeds(url=url)

    async def test_in_a_size(self, fetch: Fetch) -> None:
        head = b"HTTP/1.1 416 No\r\nContent-Range: bytes */\xe9\r\nContent-Length: 0\r\n\r\n"
        server, url = await self.answering(head)
        async with server:
            error = await fetch.fails(FailureCode.DIGEST_MISMATCH, url=url)
        assert error.failure.message.encode()

    async def test_in_a_redirect(self, fetch: Fetch) -> None:
        head = b"HTTP/1.1 302 F\r\nLocation: http://caf\xe9.example/\r\nContent-Length: 0\r\n\r\n"
        server, url = await self.answering(head)
        async with server:
            await fetch.fails(FailureCode.NETWORK_FAILED, url=url)
        assert (await fetch.network.only_row()).outcome
