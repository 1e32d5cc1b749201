"""`GET /` and `/api/version`: by what clients find out that there is somebody, and what can be asked of it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.open_work import Job

API_VERSION = "0.12.11"
"""The release of Ollama whose interface this is: clients refuse to work with one that is older than they need."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """- version: of Ollama's interface. - samovar: of this program."""

    version: str = API_VERSION
    samovar: str = __version__


_VERSION = msgspec.json.encode(Version())


async def version(request: web.Request, job: Job) -> web.Response:
    """Both versions."""
    return web.Response(body=_VERSION, headers={"Content-Type": "application/json"})


async def root(request: web.Request, job: Job) -> web.Response:
    """To programs, the sentence that they look for; to people, who come with a browser, the truth about who is here."""
    if "text/html" in request.headers.get("Accept", ""):
        return web.Response(text=f"Samovar {__version__} is running.\n")
    return web.Response(text="Ollama is running")
