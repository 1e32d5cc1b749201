"""What every request passes, known route or not: shutdown, Host, Origin, CORS, and errors in one shape."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

from aiohttp import HttpVersion11, web

from samovar_agent.events import cause
from samovar_agent.http.dialects import error_shape, where
from samovar_agent.http.errors import HttpRefusal, as_samovar_error, error_response
from samovar_agent.http.guard import Guard, Needs, origin_of
from samovar_agent.http.incoming import Handler, Incoming
from samovar_agent.http.open_work import Job, OpenWork
from samovar_agent.http.request_counts import CLIENT_LEFT, RequestCounts
from samovar_agent.http.router import Router
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import TokenInfo

Endpoint = Callable[[web.Request, Job], Awaitable[web.StreamResponse]]
"""Answers a request; work that takes long goes into `job.interruptible()`."""

SHUTTING_DOWN = Failure(
    code=FailureCode.SHUTTING_DOWN,
    message="Samovar is shutting down.",
    hint="Start it again with `samovar up`.",
)

_PREFLIGHT_SECONDS = "600"


class Empty:
    """The type of a reply that has no body."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table. - needs: what an API token must allow, where one is needed. - body: what is sent to it.

    What follows is for `/openapi.json`. - about: what it does, in a sentence. - request: type of the body or, with GET,
    of the parameters behind the question mark; None for nothing. - reply: type of the reply's JSON, `str` for plain
    text, `bytes` for a file, `Empty` for no body, `NoReturn` where all is refused; None where it always streams.
    - stream: media type of a stream that it may answer with.
    - fails: codes of failures besides those that any such route has. - variant: a header, and what answers a
    GET request with it.
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
    variant: tuple[str, Route] | None = None


class Front:
    """The middleware and the checks of each route. - stopping: set once the server takes no new requests."""

    def __init__(self, guard: Guard, work: OpenWork, counts: RequestCounts) -> None:
        self._guard = guard
        self._work = work
        self._counts = counts
        self._numbers = itertools.count(1)
        self._router = Router()
        self.stopping = False

    def serve(self, routes: Iterable[Route]) -> None:
        """Answer these, and refuse everything else in the same shape."""
        self._router = Router()
        for route in routes:
            self._router.add(route.method, route.path, self._enter(route))

    async def answer(self, request: Incoming) -> web.StreamResponse:
        """The response to any request."""
        try:
            response = await self._answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self._counts.count(request, CLIENT_LEFT)
            raise
        finally:
            request.connection.end()
        self._counts.count(request, response.status)
        return response

    def _enter(self, route: Route) -> Handler:
        check_body = self._guard.check_form if route.body == "form" else self._guard.check_json
        reads_only, needs, endpoint = route.method == "GET", route.needs, route.endpoint

        async def enter(request: Incoming) -> web.StreamResponse:
            token = self._guard.check_token(request, needs)
            if not reads_only:
                check_body(request)
                if "Expect" in request.headers:
                    await _go_on(request)
            cause.set(f"http-{next(self._numbers)}")
            with self._work.begin(token, _client(request, token), _counted_as(request, token)) as job:
                job.check_scope = partial(self._guard.check_token, request)
                return await endpoint(request, job)

        return enter

    async def _answer(self, request: Incoming) -> web.StreamResponse:
        try:
            self._guard.check_host(request)
            self._guard.check_origin(request)
            if request.method == "OPTIONS" and {"Origin", "Access-Control-Request-Method"} <= request.headers.keys():
                return await self._preflight(request)
            if self.stopping:
                raise SamovarError.of(SHUTTING_DOWN)
            handler = await self._router.find(request)
            return await handler(request)
        except web.HTTPException as error:
            return error_response(_of_router(request, error), error_shape(request.path, request.headers))
        except ConnectionError:
            raise  # the client went away; there is nobody to tell
        except Exception as error:
            return error_response(as_samovar_error(error), error_shape(request.path, request.headers))

    async def _preflight(self, request: Incoming) -> web.Response:
        """The browser's question before a request that is not simple; asked only for origins that are allowed."""
        with suppress(web.HTTPMethodNotAllowed):
            await self._router.find(request)
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

    def add_cors(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """On every response to an allowed origin, also on errors, or its page could not read them."""
        origin = origin_of(request)
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
            hint=f"/openapi.json describes what there is; {where(request.path, request.headers)}",
        )
    return HttpRefusal(error.status, FailureCode.BAD_REQUEST, error.reason)


async def _go_on(request: Incoming) -> None:
    """Answer who asks before sending a body, once it is known that the body is wanted."""
    if request.headers["Expect"].lower() != "100-continue":
        raise HttpRefusal(417, FailureCode.BAD_REQUEST, "The header Expect can only be 100-continue here.")
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what counts is the response


def _client(request: Incoming, token: TokenInfo | None) -> str:
    """Who asks, as far as HTTP tells: the holder of a token, or a program at an address."""
    if token is not None:
        return f"http token {token.name}"
    return _program(request.connection.client, request.headers.get("User-Agent", ""))


@lru_cache(256)
def _program(address: str, name: str) -> str:
    return f"http {address} {name[:100]}".encode("utf-8", "replace").decode()  # any bytes may come


def _counted_as(request: Incoming, token: TokenInfo | None) -> str | None:
    """As whose this request counts where one client may ask so much at once; None for programs of this machine."""
    if token is not None:
        return f"token {token.name}"
    return None if request.connection.local else request.connection.client
