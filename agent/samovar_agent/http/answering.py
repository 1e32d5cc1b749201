"""From what `Instances` yields to a response: the last item alone, or everything as it comes.

A dialect brings its own `Encoder`; loading, failures before and after the first byte, heartbeats and interruption are
the same for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Protocol, TypeVar

from aiohttp import web

from samovar_agent.events import cause
from samovar_agent.http.errors import REQUEST_ID_HEADERS, as_samovar_error
from samovar_agent.http.open_work import Job
from samovar_agent.http.sse import EventStream
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Progress

R = TypeVar("R")


NewStream = Callable[[web.Request, dict[str, str]], EventStream]
"""Makes the stream of a dialect, with further headers: a subclass of `EventStream`, or what makes one."""


class Encoder(Protocol):
    """A reply as the events of one dialect."""

    def begin(self) -> bytes:
        """What comes before the first piece."""

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply; runs for every token."""

    def end(self, reply: ChatReply) -> bytes:
        """What comes after the last piece."""


async def last(
    items: AsyncGenerator[object, None], kind: type[R], job: Job, on_item: Callable[[object], None] = lambda item: None
) -> R:
    """The reply, of type `kind`, that ends `items`. - on_item: told of those before it."""
    async with job.interruptible(), aclosing(items):
        async for item in items:
            if isinstance(item, kind):
                return item
            on_item(item)
    raise ended_early()


async def _comment(events: EventStream, progress: Progress) -> None:
    await events.comment(sentence(progress))


async def stream(
    request: web.Request,
    job: Job,
    items: AsyncGenerator[AnyDelta | Progress | ChatReply, None],
    encoder: Callable[[], Encoder],
    *,
    kind: NewStream = EventStream,
    told: Callable[[EventStream, Progress], Awaitable[None]] = _comment,
) -> web.StreamResponse:
    """Send everything as it comes.

    - encoder: makes it, once there is something of the reply. - kind: of stream. - told: tells of waiting and loading.
    """
    return await streamed(request, job, lambda events: _send(events, items, encoder, told), kind=kind)


async def streamed(
    request: web.Request,
    job: Job,
    send: Callable[[EventStream], Awaitable[None]],
    fail: Callable[[EventStream, SamovarError], Awaitable[None]] | None = None,
    *,
    kind: NewStream = EventStream,
) -> web.StreamResponse:
    """A stream of what `send` sends. A failure before the first byte is raised, and has its HTTP status.

    - fail: tells one after that; None does it as the stream's kind does. - kind: of stream.
    """
    job.streaming = True
    async with kind(request, request_id()) as events:
        try:
            async with job.interruptible():
                await send(events)
        except ConnectionError:
            raise
        except Exception as error:
            failure = as_samovar_error(error)
            if not events.started:
                raise failure from error
            await (events.fail(failure) if fail is None else fail(events, failure))
        return await events.end()


def request_id() -> dict[str, str]:
    """The headers with the id that this request's events and log lines carry; SDKs show it with an error."""
    return dict.fromkeys(REQUEST_ID_HEADERS, cause.get() or "")


def json_response(body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    """A whole reply. - headers: further ones."""
    return web.Response(body=body, headers={"Content-Type": "application/json", **request_id(), **headers})


async def _send(
    events: EventStream,
    items: AsyncGenerator[AnyDelta | Progress | ChatReply, None],
    new_encoder: Callable[[], Encoder],
    told: Callable[[EventStream, Progress], Awaitable[None]],
) -> None:
    encoder: Encoder | None = None
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Progress):
                await told(events, item)
                continue
            data = b""
            if encoder is None:
                encoder = new_encoder()
                data = encoder.begin()
            if isinstance(item, ChatReply):
                await events.send(data + encoder.end(item))
                return
            await events.send(data + encoder.delta(item))
    raise ended_early()


def sentence(progress: Progress) -> str:
    """Progress as a comment of a stream."""
    if not progress.total:
        return progress.stage
    return f"{progress.stage} {min(100 * progress.done / progress.total, 100):.0f} %"


def ended_early() -> SamovarError:
    """What to raise where an engine says nothing more, and has not said that it is done."""
    return SamovarError(FailureCode.INTERNAL, "The engine ended without a reply.", hint="See `samovar logs`.")
