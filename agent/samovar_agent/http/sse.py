"""Server-sent events: a response that starts late, stays alive, and does not pile up for a slow reader."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

from aiohttp import web

from samovar_agent.http.dialects import error_shape
from samovar_protocol import SamovarError

HEARTBEAT_SECONDS = 15.0
"""After so long without a byte a comment is sent; proxies and SDKs give up on silent connections."""

STALLED_HEARTBEATS = 4
"""A reader that takes nothing for so many heartbeats loses the connection, and the engine its place back."""

_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would collect the pieces
}


class EventStream:
    """A stream of events on its way to one client.

        async with EventStream(request) as stream:
            await stream.send(b'data: {}\\n\\n')

    Nothing is sent, not even the status, before the first `send`, `comment` or heartbeat, so that a failure before
    that can still be an honest HTTP status. - headers: further ones. A dialect whose streams look different, or that
    has no comments, is a subclass.
    """

    CONTENT_TYPE = "text/event-stream; charset=utf-8"
    HEARTBEAT = b": waiting\n\n"

    def __init__(self, request: web.Request, headers: dict[str, str] | None = None) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"Content-Type": self.CONTENT_TYPE} | _HEADERS | (headers or {}))
        self._beginning = asyncio.Lock()
        self._writing = 0
        self._silent = True
        self._last_comment = ""
        self._heart: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the status line is out."""
        return self._response.prepared

    async def __aenter__(self) -> EventStream:
        self._heart = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_heart()

    async def send(self, data: bytes) -> None:
        """Send whole events; returns when the client's socket has taken enough of what is waiting."""
        self._silent = False
        if not self._response.prepared:
            async with self._beginning:
                if not self._response.prepared:
                    await self._response.prepare(self._request)
        # Without a lock, which every token would pay for: what is written at once is not taken apart.
        self._writing += 1
        try:
            await self._response.write(data)
        finally:
            self._writing -= 1

    async def comment(self, text: str) -> None:
        """Send a line that clients skip, unless it is the same as the last one."""
        if text != self._last_comment:
            self._last_comment = text
            await self.send(b": %b\n\n" % text.encode())

    async def fail(self, error: SamovarError) -> None:
        """Tell a failure as the last event; there is no `[DONE]` after it."""
        await self.send(b"data: %b\n\n" % error_shape(self._request.path)(error))

    async def end(self) -> web.StreamResponse:
        """Close the body; what the handler returns."""
        self._stop_heart()  # nothing may follow the end
        await self._response.write_eof()
        return self._response

    def _stop_heart(self) -> None:
        if self._heart is not None:
            self._heart.cancel()

    async def _beat(self) -> None:
        stalled = 0
        with suppress(ConnectionError, TimeoutError):
            while stalled < STALLED_HEARTBEATS:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                if self._writing:
                    stalled += 1
                    continue
                stalled = 0
                if self._silent:
                    async with asyncio.timeout(HEARTBEAT_SECONDS * STALLED_HEARTBEATS):
                        await self.send(self.HEARTBEAT)
                self._silent = True
        if self._request.transport is not None:
            self._request.transport.abort()  # the handler is cancelled by the lost connection
