"""`GET /openapi.json`: what the server answers, for programs that read such descriptions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from samovar_agent.http.front import Route
from samovar_agent.http.open_work import Job


class OpenApi:
    """The endpoint. - table: every route of the server; looked at when somebody asks for the first time."""

    def __init__(self, table: Sequence[Route]) -> None:
        self._table = table
        self._document = b""

    async def show(self, request: web.Request, job: Job) -> web.Response:
        """The document, which is made once."""
        if not self._document:
            from samovar_agent.http.openapi.document import document  # not before somebody wants it

            self._document = msgspec.json.encode(document(self._table))
        return web.Response(body=self._document, headers={"Content-Type": "application/json"})
