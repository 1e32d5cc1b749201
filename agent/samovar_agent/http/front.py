"""What every request passes, known route or not: shutdown, Host, Origin, CORS, and errors in one shape."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from aiohttp import web

from samovar_agent.events import cause
from samovar_agent.http.dialects import error_shape
from samovar_agent.http.errors import HttpRefusal, as_samovar_error, error_response
from samovar_agent.http.guard import Guard, Needs
from samovar_agent.http.json_body import MAX_BODY_BYTES
from samovar_agent.http.open_work import Job, OpenWork
from samovar_agent.http.request_counts import CLIENT_LEFT, RequestCounts
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import TokenInfo

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Endpoint = Callable[[web.Request, Job], Awaitable[web.StreamResponse]]
"""Answers a request; work that takes long goes into `job.interruptible()`."""

SHUTTING_DOWN = Failure(
    code=FailureCode.SHUTTING_DOWN,
    message="Samovar is shutting down.",
    hint="Start it again with `samovar up`.",
)

_PREFLIGHT_SECONDS = "600"


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table. - needs: what an API token must allow, where one is needed. - body: what is sent to it.

    What follows is for `/openapi.json`. - about: what it does, in a sentence. - request: type of the body or, with GET,
    of the parameters behind the question mark; None for nothing. - reply: type of the reply's JSON, `str` for plain
    text, `bytes` for a file; None where it always streams. - stream: media type of a stream that it may answer with.
    - fails: codes of failures besides those that any such route has.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    endpoint: Endpoint
    needs: Needs
    body: Literal["JSON", "form"] = "JSON"
    about: str = ""
    request: Any = None
    reply: Any = None
    stream: Literal["", "text/event-stream", "application/x-ndjson"] = ""
    fails: tuple[FailureCode, ...] = ()


class Front:
    """The middleware and the checks of each route. - stopping: set once the server takes no new requests."""

    def __init__(self, guard: Guard, work: OpenWork, counts: RequestCounts) -> None:
        self._guard = guard
        self._work = work
        self._counts = counts
        self._numbers = itertools.count(1)
        self.stopping = False

    def app(self, routes: Iterable[Route]) -> web.Application:
        """The application that serves `routes`, and refuses everything else in the same shape."""

        @web.middleware
        async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                response = await self._answer(request, handler)
            except (asyncio.CancelledError, ConnectionError):
                self._counts.count(request, CLIENT_LEFT)
                raise
            self._counts.count(request, response.status)
            return response

        app = web.Application(middlewares=[front], client_max_size=MAX_BODY_BYTES)
        app.on_response_prepare.append(self._add_cors)
        for route in routes:
            handler = self._enter(route)
            self._counts.register(app.router.add_route(route.method, route.path, handler))
            if route.method == "GET":
                self._counts.register(app.router.add_route("HEAD", route.path, handler))
        return app

    def _enter(self, route: Route) -> Handler:
        check_body = self._guard.check_form if route.body == "form" else self._guard.check_json

        async def enter(request: web.Request) -> web.StreamResponse:
            token = self._guard.check_token(request, route.needs)
            check_body(request)
            cause.set(f"http-{next(self._numbers)}")
            with self._work.begin(token, _client(request, token)) as job:
                job.check_scope = partial(self._guard.check_token, request)
                return await route.endpoint(request, job)

        return enter

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._guard.check_host(request)
            self._guard.check_origin(request)
            if request.method == "OPTIONS" and {"Origin", "Access-Control-Request-Method"} <= request.headers.keys():
                return _preflight(request)
            if self.stopping:
                raise SamovarError.of(SHUTTING_DOWN)
            return await handler(request)
        except web.HTTPException as error:
            return error_response(_of_router(request, error), error_shape(request.path))
        except ConnectionError:
            raise  # the client went away; there is nobody to tell
        except Exception as error:
            return error_response(as_samovar_error(error), error_shape(request.path))

    async def _add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        """On every response to an allowed origin, also on errors, or its page could not read them."""
        origin = request.headers.get("Origin")
        if origin is not None and self._guard.allows_origin(request, origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"


def _of_router(request: web.Request, error: web.HTTPException) -> SamovarError:
    """aiohttp's own refusals, which would be plain text, in our shape."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = error.headers.get("Allow", "")
        return HttpRefusal(
            405,
            FailureCode.BAD_REQUEST,
            f"{request.path} does not answer {request.method}.",
            hint=f"Use {allow.replace(',', ' or ')}.",
            headers={"Allow": allow},
        )
    if isinstance(error, web.HTTPNotFound):
        return SamovarError(
            FailureCode.NOT_FOUND,
            f"There is no {request.path} here.",
            hint="OpenAI's API is below /v1, e.g. /v1/models and /v1/chat/completions.",
        )
    return HttpRefusal(error.status, FailureCode.BAD_REQUEST, error.reason)


def _preflight(request: web.Request) -> web.Response:
    """The browser's question before a request that is not simple; asked only for origins that are allowed."""
    if isinstance(request.match_info.http_exception, web.HTTPNotFound):
        raise request.match_info.http_exception
    headers = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE",
        # The origin is trusted, and SDKs send a dozen headers of their own (x-stainless-…).
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "")
        or "Authorization, Content-Type",
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)


def _client(request: web.Request, token: TokenInfo | None) -> str:
    """Who asks, as far as HTTP tells: the holder of a token, or a program at an address."""
    if token is not None:
        return f"http token {token.name}"
    program = request.headers.get("User-Agent", "")[:100]
    return f"http {request.remote} {program}".encode("utf-8", "replace").decode()  # any bytes may come
