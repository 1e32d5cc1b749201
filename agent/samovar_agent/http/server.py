"""The local HTTP server: its start and its end.

server = HttpServer(services)
info = await server.start()
info.urls       # ["http://127.0.0.1:7266", "http://[::1]:7266"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from samovar_agent.http.access_log import AccessLog
from samovar_agent.http.binding import bind
from samovar_agent.http.errors import log
from samovar_agent.http.front import SHUTTING_DOWN, Front
from samovar_agent.http.guard import Guard
from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.routes import routes
from samovar_protocol.events import HttpChanged
from samovar_protocol.values import HttpInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

GRACE_SECONDS = 2.0
"""How long a stop waits for clients to take the last event of their streams."""


class HttpServer:
    """Serves the table in `routes.py` on the addresses of the settings."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = Guard(lambda: services.settings.current.server, services.store.tokens.check)
        self._work = OpenWork()
        self._counts = RequestCounts()
        self._front = Front(self._guard, self._work, self._counts)
        self._stop_watching: Callable[[], None] | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> HttpInfo:
        """Listen, and tell everyone where. Never raises for a taken port: `problem` says it."""
        services = self._services
        bound = await bind(services.settings.current.server, has_token=services.store.tokens.any())
        self._guard.bound = bound
        if bound.sockets:
            self._front.stopping = False
            self._stop_watching = services.store.tokens.on_revoke(self._work.end_revoked)
            self._runner = web.AppRunner(
                self._front.app(routes(services, self._counts, self._work)),
                handler_cancellation=True,  # a client that goes away takes its work with it
                shutdown_timeout=GRACE_SECONDS,
                access_log_class=AccessLog,
                access_log=log,
                logger=log,
            )
            await self._runner.setup()
            for opened in bound.sockets:
                await web.SockSite(self._runner, opened).start()
        if bound.problem:
            log.warning("%s", bound.problem)
        return self._publish(HttpInfo(urls=bound.urls, problem=bound.problem))

    async def stop(self) -> None:
        """End open streams with an error event, refuse new requests, then close every connection."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self._front.stopping = True
        await self._work.end_all(SHUTTING_DOWN, within=GRACE_SECONDS)
        await runner.cleanup()
        if self._stop_watching is not None:
            self._stop_watching()
        self._publish(HttpInfo())

    def _publish(self, info: HttpInfo) -> HttpInfo:
        self._services.http = info
        self._services.events.publish(HttpChanged(http=info))
        return info
