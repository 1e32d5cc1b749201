"""A request of the control protocol as a route: the same fields, the same handler, the same reply.

    protocol_route(services, "POST", "/api/samovar/models/load", Load, "models", "Bring a model into memory.")

What stands in the path as `{name}` is the request's field `name`. A body is the other fields; with GET they are the
parameters behind the question mark. What the protocol answers in chunks is answered whole or, with "stream": true in
the body, as events.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from samovar_agent.http.answering import streamed
from samovar_agent.http.front import Route
from samovar_agent.http.guard import Needs
from samovar_agent.http.open_work import Job
from samovar_agent.http.samovar.collections import response
from samovar_agent.http.samovar.following import Report, follow, nobody
from samovar_agent.http.samovar.protocol_body import body_type, read_parameters, read_request, read_streamed
from samovar_agent.operations.call import Call
from samovar_agent.operations.dispatch import dispatch
from samovar_protocol import FailureCode
from samovar_protocol.replies import Reply
from samovar_protocol.requests import AnyRequest, Request, StreamRequest, reply_of

if TYPE_CHECKING:
    from samovar_agent.services import Services

_IN_PATH = re.compile(r"\{(\w+)")


def protocol_route(
    services: Services,
    method: Literal["GET", "POST", "PATCH", "DELETE"],
    path: str,
    kind: type[Request[Any]],
    needs: Needs,
    about: str,
    *,
    fails: tuple[FailureCode, ...] = (),
    **fixed: object,
) -> Route:
    """The line of the table. - kind: of the request. - fixed: fields that every request here has; nobody can send them.

    The others are those of `Route`.
    """
    in_path = _IN_PATH.findall(path)
    streams = issubclass(kind, StreamRequest) and method != "GET"
    if fixed:
        streams = False  # it is a part of the request that has nothing to tell on the way
    fields = body_type(kind, *sorted({*in_path, *fixed}), streamed=streams)
    return Route(
        method,
        path,
        _Endpoint(services, kind, in_path, fixed, streams=streams, in_query=method == "GET"),
        needs,
        about=about,
        request=fields if fields.__struct_fields__ else None,
        reply=reply_of(kind),
        stream="text/event-stream" if streams else "",
        fails=fails,
    )


async def ask(services: Services, job: Job, asked: AnyRequest, report: Report = nobody) -> Reply:
    """What the agent answers to a request of the protocol. - report: told of progress."""
    call = Call(
        services=services,
        send=report,  # type: ignore[arg-type]  # chunks of replies come from chats alone, which are no routes here
        cancel=lambda target: False,
        requester=job.client,
    )
    answer = dispatch(call, asked)
    return answer if isinstance(answer, Reply) else await answer


class _Endpoint:
    """- kind: of the requests that it makes of what comes."""

    def __init__(
        self,
        services: Services,
        kind: type[Request[Any]],
        in_path: list[str],
        fixed: dict[str, object],
        *,
        streams: bool,
        in_query: bool,
    ) -> None:
        self._services, self.kind, self._in_path, self._fixed = services, kind, in_path, fixed
        self._streams, self._in_query = streams, in_query

    async def __call__(self, request: web.Request, job: Job) -> web.StreamResponse:
        known = self._fixed | {name: request.match_info[name] for name in self._in_path}
        stream = False
        if self._in_query:
            asked: Any = read_parameters(request, self.kind, **known)
        elif self._streams:
            stream, asked = await read_streamed(request, self.kind, **known)
        else:
            asked = await read_request(request, self.kind, **known)
        if stream:
            work = partial(ask, self._services, job, asked)
            return await streamed(request, job, lambda events: follow(events, work))
        async with job.interruptible():
            return response(await ask(self._services, job, asked))
