"""`GET /health`: is the server there? Costs nothing and needs no token."""

from __future__ import annotations

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.open_work import Job

_BODY = msgspec.json.encode({"status": "ok", "version": __version__})


async def health(request: web.Request, job: Job) -> web.Response:
    """Answer that the server is up."""
    return web.Response(body=_BODY, headers={"Content-Type": "application/json"})
