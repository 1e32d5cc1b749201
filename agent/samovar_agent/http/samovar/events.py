"""`GET /api/samovar/events`: what changes, as it changes, so that no client has to ask again and again.

    GET /api/samovar/events?topics=instance,download

    id: 41
    event: subscribed
    data: {"v":1,"sequence":41,"time":0.0,"cause":null,"event":{"type":"subscribed"}}

The messages are the event socket's own. Whoever has received "subscribed" misses nothing from there on. Nobody keeps
past events: a client that was away asks for the status, which says by `sequence` which events it contains.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import streamed
from samovar_agent.http.errors import bad_request
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import read_query
from samovar_agent.http.sse import EventStream
from samovar_protocol import PROTOCOL_VERSION, FailureCode, SamovarError
from samovar_protocol.events import AnyEvent, Subscribed
from samovar_protocol.values import Scope
from samovar_protocol.wire import EventMessage

if TYPE_CHECKING:
    from samovar_agent.services import Services

MOST_WAITING = 1000
"""Events that wait for a slow reader; with one more, the stream ends."""

_SCOPES: dict[str, Scope | None] = {
    "instance": "models",
    "library": "models",
    "download": "models",
    "collection": "documents",
    "conversation": "documents",
    "setting": "admin",
    "network": None,
    "http": None,
    "stopping": None,
}
"""What a token must allow for which topic; None for any token."""


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters. - topics: types of events, with commas between them; all that the token allows without."""

    topics: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class Events:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def stream(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Events from now on, until the client goes away."""
        topics = _topics(read_query(request, EventsQuery), job)
        return await streamed(request, job, lambda events: self._send(events, topics))

    async def _send(self, events: EventStream, topics: frozenset[str]) -> None:
        waiting = _Waiting(topics)
        bus = self._services.events
        end = bus.subscribe(waiting.put)
        try:
            await events.send(_encoded(bus.sequence, time.time(), None, Subscribed()))
            while True:
                await events.send(await waiting.get())
        finally:
            end()


class _Waiting:
    """Events on their way to one reader."""

    def __init__(self, topics: frozenset[str]) -> None:
        self._topics = topics
        self._encoded: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._lost = False

    def put(self, sequence: int, when: float, cause: str | None, event: AnyEvent) -> None:
        """A listener of the event bus."""
        if self._lost or _topic(event) not in self._topics:
            return
        if len(self._encoded) >= MOST_WAITING:
            self._lost = True
            self._encoded.clear()
        else:
            self._encoded.append(_encoded(sequence, when, cause, event))
        self._filled.set()

    async def get(self) -> bytes:
        """All that wait, as one piece; raises `busy` where some were lost."""
        await self._filled.wait()
        self._filled.clear()
        if self._lost:
            raise SamovarError(
                FailureCode.BUSY,
                f"More than {MOST_WAITING:,} events waited for this client.",
                hint="Connect again, ask for the status, and read faster.",
            )
        data = b"".join(self._encoded)
        self._encoded.clear()
        return data


def _topics(query: EventsQuery, job: Job) -> frozenset[str]:
    """Those that are asked for, or all that the token allows; raises where it does not."""
    if query.topics is None:
        return frozenset(topic for topic, scope in _SCOPES.items() if scope is None or _allows(job, scope))
    wanted = query.topics.split(",")
    for topic in wanted:
        if topic not in _SCOPES:
            raise bad_request(
                f"'{topic[:40]}' is no topic.", param="topics", hint=f"There are {', '.join(sorted(_SCOPES))}."
            )
        if (scope := _SCOPES[topic]) is not None:
            job.check_scope(scope)
    return frozenset(wanted)


def _allows(job: Job, scope: Scope) -> bool:
    try:
        job.check_scope(scope)
    except SamovarError:
        return False
    return True


def _topic(event: AnyEvent) -> str:
    return str(type(event).__struct_config__.tag)


def _encoded(sequence: int, when: float, cause: str | None, event: AnyEvent) -> bytes:
    message = EventMessage(PROTOCOL_VERSION[0], sequence, when, cause, event)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (sequence, _topic(event).encode(), msgspec.json.encode(message))
