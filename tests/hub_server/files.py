"""A file of the hub: its bytes, and every way in which sending them can go wrong."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.hub_server.records import Seen

_CHUNK = 1 << 16
LFS_SUFFIXES = (".gguf", ".safetensors", ".bin")


@dataclass
class File:
    """See `tests/hub_server` for what each field does."""

    path: str
    content: bytes | Path
    drop_after: int | None = None
    drops: int | None = None
    bytes_per_second: float | None = None
    stall_after: int | None = None
    ignore_ranges: bool = False
    shift_range: int = 0
    wrong_content_range: bool = False
    flip: int | None = None
    flips: int | None = None
    say_size: int | None = None
    say_sha256: str | None = None
    content_length: int | None = None
    redirect_loop: bool = False
    redirect_to: str | None = None
    status: int | None = None
    times: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_lfs(self) -> bool:
        """Whether the hub keeps it in its large file store."""
        return self.path.endswith(LFS_SUFFIXES)

    @property
    def size(self) -> int:
        """In bytes, truly."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @property
    def sha256(self) -> str:
        """The true digest."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        with self.content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def said_size(self) -> int:
        """What the hub says of it."""
        return self.size if self.say_size is None else self.say_size

    @property
    def said_sha256(self) -> str:
        """What the hub says of it."""
        return self.say_sha256 or self.sha256

    def refusal(self) -> web.Response | None:
        """The status that was ordered instead of the file, if one was."""
        if self.status is None or self.times == 0:
            return None
        if self.times is not None:
            self.times -= 1
        return web.Response(status=self.status, headers=self.headers)

    async def send(self, request: web.Request, seen: Seen, headers: Mapping[str, str]) -> web.StreamResponse:
        """Answer with the file or the range of it that was asked for."""
        size = self.size
        try:
            part = request.http_range
            start, stop, _ = slice(part.start, part.stop).indices(size)
            asked = part.start is not None or part.stop is not None
        except ValueError:
            start, stop, asked = 0, size, False
        if self.ignore_ranges:
            start, stop, asked = 0, size, False
        if asked and start >= stop:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        response = web.StreamResponse(status=206 if asked else 200, headers={**headers, "Accept-Ranges": "bytes"})
        if asked:
            named = start + 1 if self.wrong_content_range else start
            response.headers["Content-Range"] = f"bytes {named}-{stop - 1}/{size}"
        length = stop - start if self.content_length is None else self.content_length
        response.content_length = length
        if length != stop - start:
            response.force_close()
        response.content_type = "application/octet-stream"
        await response.prepare(request)
        if request.method != "HEAD":
            await self._send_body(request, response, seen, start, stop)
        return response

    async def _send_body(
        self, request: web.Request, response: web.StreamResponse, seen: Seen, start: int, stop: int
    ) -> None:
        chunk = _CHUNK if self.bytes_per_second is None else max(1, min(_CHUNK, int(self.bytes_per_second / 10)))
        at = start
        while at < stop:
            end = min(at + chunk, stop)
            sent = at - start
            if self.drop_after is not None and self.drops != 0:
                if sent >= self.drop_after:
                    self.drops = None if self.drops is None else self.drops - 1
                    assert request.transport is not None
                    request.transport.close()
                    return
                end = min(end, start + self.drop_after)
            if self.stall_after is not None:
                while self.stall_after is not None and sent >= self.stall_after:
                    await asyncio.sleep(0.05)  # until the client hangs up, or the test lets it go on
                if self.stall_after is not None:
                    end = min(end, start + self.stall_after)
            await response.write(self._bytes(at, end))
            seen.bytes_sent += end - at
            if self.bytes_per_second is not None:
                await asyncio.sleep((end - at) / self.bytes_per_second)
            at = end
        if self.content_length is not None and self.content_length < stop - start:
            return
        await response.write_eof()

    def _bytes(self, start: int, stop: int) -> bytes:
        data = bytearray(self._read(start + self.shift_range, stop + self.shift_range))
        if self.flip is not None and start <= self.flip < stop and self.flips != 0:
            data[self.flip - start] ^= 1
            self.flips = None if self.flips is None else self.flips - 1
        return bytes(data)

    def _read(self, start: int, stop: int) -> bytes:
        if self.shift_range:  # another place of the same file, round its end
            size = self.size
            return b"".join(self._read_at(place % size) for place in range(start, stop))
        if isinstance(self.content, bytes):
            return self.content[start:stop]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def _read_at(self, place: int) -> bytes:
        if isinstance(self.content, bytes):
            return self.content[place : place + 1]
        with self.content.open("rb") as file:
            file.seek(place)
            return file.read(1)
