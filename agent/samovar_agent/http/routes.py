"""Everything that the server answers: one table, a part of it in each dialect's folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from samovar_agent.http.anthropic.errors import HEADER as ANTHROPIC
from samovar_agent.http.anthropic.routes import routes as anthropic
from samovar_agent.http.front import Endpoint, Route
from samovar_agent.http.health import Health, health
from samovar_agent.http.llama_cpp.routes import routes as llama_cpp
from samovar_agent.http.lmstudio.routes import routes as lmstudio
from samovar_agent.http.metrics import Metrics
from samovar_agent.http.ollama.routes import routes as ollama
from samovar_agent.http.open_work import Job, OpenWork
from samovar_agent.http.openai.routes import routes as openai
from samovar_agent.http.openapi.endpoint import OpenApi
from samovar_agent.http.ready import Readiness, Ready
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.samovar.routes import routes as samovar

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services, counts: RequestCounts, work: OpenWork) -> list[Route]:
    """The table. Another dialect is another folder and its line here, and in `dialects.py` for its errors.

    - counts, work: of the server, for its metrics.
    """
    table: list[Route] = []
    table += [
        Route("GET", "/health", health, "nothing", about="Whether the server is there.", reply=Health),
        Route(
            "GET",
            "/ready",
            Readiness(services).show,
            "any token",
            about="Whether the agent can answer now, and which models are in memory.",
            reply=Ready,
        ),
        Route(
            "GET",
            "/metrics",
            Metrics(services, counts, work).show,
            "any token",
            about="Numbers for Prometheus, in its text format.",
            reply=str,
        ),
        Route(
            "GET",
            "/openapi.json",
            OpenApi(table).show,
            "nothing",
            about="This description of the server.",
            reply=dict[str, Any],
        ),
        *_either(openai(services), anthropic(services), ANTHROPIC),
        *ollama(services),
        *llama_cpp(services),
        *lmstudio(services),
        *samovar(services),
    ]
    return table


def _either(table: Iterable[Route], other: Iterable[Route], header: str) -> list[Route]:
    """Both dialects' tables. A line that both have is the other one's where a request has its header."""
    others = {(route.method, route.path): route for route in other}
    lines = [
        replace(route, endpoint=_chosen(route.endpoint, found.endpoint, header), variant=(header, found))
        if (found := others.pop((route.method, route.path), None))
        else route
        for route in table
    ]
    return [*lines, *others.values()]


def _chosen(endpoint: Endpoint, other: Endpoint, header: str) -> Endpoint:
    async def answer(request: web.Request, job: Job) -> web.StreamResponse:
        return await (other if header in request.headers else endpoint)(request, job)

    return answer
