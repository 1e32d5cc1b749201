"""From a path and a method to what answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_urldispatcher import UrlDispatcher, UrlMappingMatchInfo

from samovar_agent.http.incoming import Handler, Incoming


class Router:
    """aiohttp's dispatcher, and before it the paths that have no variable parts, which is where most requests go."""

    def __init__(self) -> None:
        self._dispatcher = UrlDispatcher()
        self._handlers: dict[Callable[[web.Request], Awaitable[web.StreamResponse]], Handler] = {}
        self._literal: dict[tuple[str, str], tuple[Handler, UrlMappingMatchInfo]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer requests of this method at this path by `handler`; GET answers HEAD too."""

        async def answer(request: web.Request) -> web.StreamResponse:
            assert isinstance(request, Incoming)
            return await handler(request)

        for name in ("GET", "HEAD") if method == "GET" else (method,):
            route = self._dispatcher.add_route(name, path, answer)
            if "{" not in path:
                self._literal[name, path] = handler, UrlMappingMatchInfo({}, route)

    async def find(self, request: Incoming) -> Handler:
        """What answers the request, which gets its `matched`; raises aiohttp's 404 and 405."""
        # The path as it was sent: whatever is encoded in it is the dispatcher's business.
        if found := self._literal.get((request.method, request.rel_url.raw_path)):
            handler, request.matched = found
            return handler
        matched = await self._dispatcher.resolve(request)
        if matched.http_exception is not None:
            raise matched.http_exception
        request.matched = matched
        return matched.handler
