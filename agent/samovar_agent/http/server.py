"""The local HTTP server: its start and its end.

server = HttpServer(services)
info = await server.start()
info.urls       # ["http://127.0.0.1:7266", "http://[::1]:7266"]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from samovar_agent.http.connections import Connections
from samovar_agent.http.errors import log
from samovar_agent.http.front import SHUTTING_DOWN, Front
from samovar_agent.http.guard import Guard
from samovar_agent.http.listening import Listening, listen
from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.routes import routes
from samovar_agent.settings import ServerSettings
from samovar_protocol.events import HttpChanged
from samovar_protocol.values import HttpInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

GRACE_SECONDS = 2.0
"""How long a stop waits for clients to take the last event of their streams."""

HANDSHAKE_SECONDS = 20.0
"""How long a connection may take to begin TLS."""


class HttpServer:
    """Serves the table in `routes.py` on the addresses of the settings."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = Guard(self._settings, services.store.tokens.check)
        self._work = OpenWork(lambda: self._settings().max_requests_per_client)
        self._counts = RequestCounts()
        self._front = Front(self._guard, self._work, self._counts)
        self._stop_watching: Callable[[], None] | None = None
        self._listening = Listening()
        self._listeners: list[asyncio.AbstractServer] = []
        self._connections: Connections | None = None

    async def start(self) -> HttpInfo:
        """Listen, and tell everyone where. Never raises for a taken port: `problem` says it."""
        services = self._services
        listening = await listen(
            self._settings(), services.places.socket_folder(), has_token=services.store.tokens.any()
        )
        self._listening, self._guard.bound = listening, listening.bound
        if listening.sockets:
            self._front.stopping = False
            self._front.serve(routes(services, self._counts, self._work))
            self._stop_watching = services.store.tokens.on_revoke(self._work.end_revoked)
            self._connections = Connections(self._front.answer, self._front.add_cors, self._settings)
            loop = asyncio.get_running_loop()
            for opened, context in listening.sockets:
                self._listeners.append(
                    await loop.create_server(
                        self._connections,
                        sock=opened,
                        ssl=context,
                        # Before its handshake a connection is not seen by `Connections`, and so not counted.
                        ssl_handshake_timeout=HANDSHAKE_SECONDS if context is not None else None,
                        ssl_shutdown_timeout=GRACE_SECONDS if context is not None else None,
                    )
                )
        for problem in listening.problems:
            log.warning("%s", problem)
        return self._publish(listening.info)

    async def stop(self) -> None:
        """End open streams with an error event, refuse new requests, then close every connection."""
        connections, self._connections = self._connections, None
        if connections is None:
            return
        self._front.stopping = True
        await self._work.end_all(SHUTTING_DOWN, within=GRACE_SECONDS)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._listening.forget()
        await connections.close(GRACE_SECONDS / 2)  # twice: to end by themselves, and to be cancelled
        if self._stop_watching is not None:
            self._stop_watching()
        self._publish(HttpInfo())

    def _settings(self) -> ServerSettings:
        return self._services.settings.current.server

    def _publish(self, info: HttpInfo) -> HttpInfo:
        self._services.http = info
        self._services.events.publish(HttpChanged(http=info))
        return info
