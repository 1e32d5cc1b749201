"""What programs ask that look for LM Studio on a port: is it there, and which version?"""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.open_work import Job


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is there."""

    lmstudio: Literal[True] = True


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Who that is."""

    package: str = "samovar"
    version: str = __version__


_JSON = {"Content-Type": "application/json"}
_GREETING = msgspec.json.encode(Greeting())
_STATUS = msgspec.json.encode(Status())


async def greeting(request: web.Request, job: Job) -> web.Response:
    """`GET /lmstudio-greeting`: somebody here speaks this API."""
    return web.Response(body=_GREETING, headers=_JSON)


async def status(request: web.Request, job: Job) -> web.Response:
    """`GET /lms-status`: who that is."""
    return web.Response(body=_STATUS, headers=_JSON)
