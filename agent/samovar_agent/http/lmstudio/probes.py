"""What programs ask that look for LM Studio on a port: is it there, and which version?"""

from __future__ import annotations

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.open_work import Job

_JSON = {"Content-Type": "application/json"}
_GREETING = msgspec.json.encode({"lmstudio": True})
_STATUS = msgspec.json.encode({"package": "samovar", "version": __version__})


async def greeting(request: web.Request, job: Job) -> web.Response:
    """`GET /lmstudio-greeting`: somebody here speaks this API."""
    return web.Response(body=_GREETING, headers=_JSON)


async def status(request: web.Request, job: Job) -> web.Response:
    """`GET /lms-status`: who that is."""
    return web.Response(body=_STATUS, headers=_JSON)
