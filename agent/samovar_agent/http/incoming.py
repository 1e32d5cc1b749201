"""A request on its way through the server: aiohttp's, with what the table found for its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

if TYPE_CHECKING:
    from samovar_agent.http.connection import Connection

SERVER = "Samovar"
"""The name in each response; without a version, which would say what is worth a try."""

AddHeaders = Callable[[web.BaseRequest, web.StreamResponse], None]


class Incoming(web.Request):
    """A request.

    - connection: it came through. - matched: what the parts of its path are called; set once the path is known.
    - add_headers: puts further headers on its response, just before that is sent, whoever makes it.
    """

    ATTRS = web.Request.ATTRS | frozenset(("connection", "matched", "_add_headers"))

    def __init__(self, *arguments: Any, connection: Connection, add_headers: AddHeaders, most_bytes: int) -> None:
        super().__init__(*arguments, client_max_size=most_bytes)
        self.connection = connection
        self.matched: UrlMappingMatchInfo | None = None
        self._add_headers = add_headers

    @property
    def match_info(self) -> UrlMappingMatchInfo:
        """The parts of the path."""
        assert self.matched is not None, "the path is not known yet"
        return self.matched

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers["Server"] = SERVER  # aiohttp would tell its version, and Python's
        # aiohttp's own place for this is the application, which costs a third of a short request's time.
        self._add_headers(self, response)


Handler = Callable[[Incoming], Awaitable[web.StreamResponse]]
