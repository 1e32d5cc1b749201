"""`GET /health`: is the server there? Costs nothing and needs no token."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.open_work import Job


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The server is up. - version: of the agent."""

    status: Literal["ok"] = "ok"
    version: str = __version__


_BODY = msgspec.json.encode(Health())


async def health(request: web.Request, job: Job) -> web.Response:
    """Answer that the server is up."""
    return web.Response(body=_BODY, headers={"Content-Type": "application/json"})
