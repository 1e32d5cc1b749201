"""Everything that the server answers: one table, a part of it in each dialect's folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from samovar_agent.http.anthropic.routes import HEADER as ANTHROPIC
from samovar_agent.http.anthropic.routes import routes as anthropic
from samovar_agent.http.front import Endpoint, Route
from samovar_agent.http.health import health
from samovar_agent.http.llama_cpp.routes import routes as llama_cpp
from samovar_agent.http.lmstudio.routes import routes as lmstudio
from samovar_agent.http.ollama.routes import routes as ollama
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.routes import routes as openai
from samovar_agent.http.samovar.routes import routes as samovar

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """The table. Another dialect is another folder and its line here, and in `dialects.py` for its errors."""
    return [
        Route("GET", "/health", health, "nothing"),
        *_either(openai(services), anthropic(services), ANTHROPIC),
        *ollama(services),
        *llama_cpp(services),
        *lmstudio(services),
        *samovar(services),
    ]


def _either(table: Iterable[Route], other: Iterable[Route], header: str) -> list[Route]:
    """Both dialects' tables. A line that both have is the other one's where a request has its header."""
    others = {(route.method, route.path): route for route in other}
    lines = [
        replace(route, endpoint=_chosen(route.endpoint, found.endpoint, header))
        if (found := others.pop((route.method, route.path), None))
        else route
        for route in table
    ]
    return [*lines, *others.values()]


def _chosen(endpoint: Endpoint, other: Endpoint, header: str) -> Endpoint:
    async def answer(request: web.Request, job: Job) -> web.StreamResponse:
        return await (other if header in request.headers else endpoint)(request, job)

    return answer
