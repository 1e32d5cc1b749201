"""All connections of the HTTP server: how many there may be, and who looks after them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from samovar_agent.http.access_log import AccessLog
from samovar_agent.http.connection import Connection
from samovar_agent.http.errors import HttpRefusal, log
from samovar_agent.http.incoming import AddHeaders, Incoming
from samovar_agent.http.json_body import MAX_BODY_BYTES
from samovar_agent.settings import ServerSettings
from samovar_protocol import FailureCode, SamovarError

IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request; longer than any usual client keeps it for."""

LOOK_SECONDS = 2.0
"""Pause between two looks at the connections; there are none while there are no connections."""

COMPLAINT_SECONDS = 60.0
"""Between two warnings that there are too many; who refuses ten thousand should not fill the log with them."""

MOST_LINE_BYTES = 8190
MOST_HEADERS = 100
"""Of a request's head: bytes of the first line and of each header, and headers."""

_LINGER_SECONDS = 5.0


class Connections(web.Server):
    """Makes a `Connection` for each client; is itself what a listener calls for that.

    - handler: answers requests. - add_headers: for every response. - settings: the current server settings.
    """

    def __init__(
        self,
        handler: Callable[[Incoming], Awaitable[web.StreamResponse]],
        add_headers: AddHeaders,
        settings: Callable[[], ServerSettings],
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            handler,  # type: ignore[arg-type]  # `_incoming` makes them
            request_factory=self._incoming,
            handler_cancellation=True,  # a client that goes away takes its work with it
            loop=loop,
        )
        self._loop = loop
        self.time = loop.time
        self._add_headers = add_headers
        self._settings = settings
        self._open: set[Connection] = set()
        self._of_clients: Counter[str] = Counter()
        self._looking: asyncio.TimerHandle | None = None
        self._complains_at = 0.0

    def __call__(self) -> Connection:
        """A new connection's end."""
        return Connection(
            self,
            self._loop,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            max_line_size=MOST_LINE_BYTES,
            max_field_size=MOST_LINE_BYTES,
            max_headers=MOST_HEADERS,
            access_log_class=AccessLog,
            access_log=log,
            logger=log,
        )

    def admit(self, connection: Connection) -> SamovarError | None:
        """Count a new connection, or say why there may not be one more."""
        settings = self._settings()
        if len(self._open) >= settings.max_connections:
            self._complain()
            return _too_many(f"There are {len(self._open):,} connections already, as many as may be.", "connections")
        if not connection.local:
            mine = self._of_clients[connection.client]
            if mine >= settings.max_connections_per_client:
                return _too_many(f"{connection.client} has {mine:,} connections already.", "connections_per_client")
            self._of_clients[connection.client] += 1
        self._open.add(connection)
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)
        return None

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        if not connection.local:
            self._of_clients[connection.client] -= 1
            self._of_clients += Counter()  # without those that have none

    async def close(self, within: float) -> None:
        """End every connection. - within: seconds that requests under way still have."""
        self.pre_shutdown()
        await self.shutdown(within)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _complain(self) -> None:
        if self._loop.time() >= self._complains_at:
            self._complains_at = self._loop.time() + COMPLAINT_SECONDS
            log.warning("there are %d connections to the local server, as many as may be", len(self._open))

    def _look(self) -> None:
        now = self._loop.time()
        for connection in tuple(self._open):
            connection.look(now)
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look) if self._open else None

    def _incoming(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Incoming:
        assert isinstance(protocol, Connection)
        protocol.begin(payload)
        return Incoming(
            message,
            payload,
            protocol,
            writer,
            task,
            self._loop,
            connection=protocol,
            add_headers=self._add_headers,
            most_bytes=MAX_BODY_BYTES,
        )


def _too_many(message: str, setting: str) -> HttpRefusal:
    return HttpRefusal(
        503,
        FailureCode.BUSY,
        message,
        hint=f"Close some, or raise the setting server.max_{setting}.",
        headers={"Retry-After": "5"},
    )
