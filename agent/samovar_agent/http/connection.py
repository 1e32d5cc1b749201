"""One connection of the HTTP server: what aiohttp makes of it, with deadlines and with our words for its refusals.

aiohttp bounds what a connection may send, but not how slowly; and what it cannot read it answers in plain text.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong

from samovar_agent.http import binding
from samovar_agent.http.errors import HttpRefusal, as_samovar_error, encoding_unknown, error_response, log
from samovar_agent.http.incoming import SERVER
from samovar_agent.http.slowness import BODY_BYTES, BODY_SECONDS, SlowBodyError, too_slow
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from samovar_agent.http.connections import Connections

HEAD_SECONDS = 20.0
"""For a request's line and headers, from the first byte on."""

STALLED_SECONDS = 60.0
"""Who takes nothing of a response for so long loses it."""


class Connection(web.RequestHandler):
    """One client's end.

    - local: both ends are on this machine. - client: the address at the other end. - secure: by TLS.
    - is_somebody_else: another user of this machine is at the other end; None until somebody wants to know.
    """

    __slots__ = (
        "_arrived",
        "_busy",
        "_first_byte",
        "_manager_of_all",
        "_payload",
        "_refused",
        "_unsent",
        "_unsent_since",
        "_window",
        "_wire",
        "client",
        "counted",
        "is_somebody_else",
        "local",
        "secure",
    )

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop, **arguments: Any) -> None:
        super().__init__(connections, loop=loop, **arguments)
        self._manager_of_all = connections
        self._wire: asyncio.Transport | None = None
        self._refused = self._busy = self.local = self.secure = self.counted = False
        self.is_somebody_else: bool | None = None
        self.client = ""
        self._arrived = 0
        self._first_byte: float | None = None
        self._payload: StreamReader | None = None
        self._window = (0.0, 0)
        self._unsent, self._unsent_since = 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or say that there are too many."""
        self._wire = wire = cast(asyncio.Transport, transport)  # uvloop's are not of that class
        self.secure = transport.get_extra_info("sslcontext") is not None
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if isinstance(own, str | bytes):
            # A Unix socket, in a folder whose permissions say who may be there.
            self.local, self.client = True, "unix"
        elif isinstance(peer, tuple) and isinstance(own, tuple):  # otherwise it is lost already
            self.local = binding.is_loopback(str(peer[0])) and binding.is_loopback(str(own[0]))
            self.client = str(peer[0])
        refusal = self._manager_of_all.admit(self)
        if refusal is None:
            super().connection_made(transport)
            return
        self._refused = True
        wire.write(_whole(refusal))
        wire.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end."""
        self._manager_of_all.leave(self)
        if not self._refused:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; a connection that was refused says them in vain."""
        if self._refused:
            return
        if data:
            self._arrived += len(data)
            if self._first_byte is None:
                self._first_byte = self._manager_of_all.time()
        super().data_received(data)

    def begin(self, payload: StreamReader) -> None:
        """The head of a request is complete. - payload: its body."""
        self._busy = True
        self._first_byte = None
        self._payload = payload
        self._window = (0.0, 0)

    def end(self) -> None:
        """The request has its response."""
        self._busy = False
        self._first_byte = None
        self._payload = None

    def look(self, now: float) -> None:
        """End what takes too long; called now and then. - now: by the event loop's clock."""
        wire = self._wire
        if wire is None or self._refused:
            return
        self._look_at_reader(wire, now)
        if self._busy:
            self._look_at_body(wire, now)
        elif self._first_byte is not None and now - self._first_byte >= HEAD_SECONDS:
            self._first_byte = None
            if not wire.is_closing():
                wire.write(_whole(too_slow("The head of the request took more than {:.0f} seconds.", HEAD_SECONDS)))
            self.force_close()

    def _look_at_reader(self, wire: asyncio.Transport, now: float) -> None:
        unsent = wire.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since >= STALLED_SECONDS:
            wire.abort()  # to close it would wait for the reader

    def _look_at_body(self, wire: asyncio.Transport, now: float) -> None:
        payload = self._payload
        if payload is None or payload.is_eof() or not wire.is_reading():
            self._window = (0.0, 0)  # all is here, or it is us who do not read
            return
        began, arrived = self._window
        if not began or self._arrived - arrived >= BODY_BYTES:
            self._window = (now, self._arrived)
        elif now - began >= BODY_SECONDS and payload.exception() is None:
            payload.set_exception(SlowBodyError())

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp cannot read, or does not answer by itself, in our shape instead of plain text."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response is under way, and another cannot be sent")
        error: SamovarError
        if status < 500:
            log.debug("a request that is no HTTP from %s", self.client, exc_info=exc)
            error = _unreadable(status, exc, message)
        else:
            error = as_samovar_error(exc if isinstance(exc, Exception) else RuntimeError(message))
        response = error_response(error)
        response.force_close()
        return response


def _unreadable(status: int, error: BaseException | None, message: str | None) -> SamovarError:
    if isinstance(error, LineTooLong) or "Too many headers" in (message or ""):
        return HttpRefusal(
            431,
            FailureCode.TOO_LARGE,
            "The request's first line, or one of its headers, is too long, or there are too many of them.",
            hint="Send what is long in the body.",
        )
    if isinstance(error, ContentEncodingError):
        return encoding_unknown()
    said = (message or "").partition("\n")[0].strip(" :")[:200].encode("ascii", "replace").decode()
    return HttpRefusal(
        status,
        FailureCode.BAD_REQUEST,
        f"The request is not valid HTTP: {said}." if said else "The request is not valid HTTP.",
        hint="This port speaks HTTP/1.1.",
    )


def _whole(error: SamovarError) -> bytes:
    """A response as bytes, for where there is no request to answer."""
    response = error_response(error)
    body = response.body
    assert isinstance(body, bytes)
    headers = {**response.headers, "Content-Length": str(len(body)), "Connection": "close", "Server": SERVER}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response.status} {response.reason}\r\n{lines}\r\n".encode() + body
