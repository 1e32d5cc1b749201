"""What chat and generate have in common: the reply's way to the client, and requests that only load or unload."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from samovar_agent.engine.instances import Keep
from samovar_agent.http.answering import json_response, last, stream, streamed
from samovar_agent.http.ollama.lines import LineStream, told
from samovar_agent.http.ollama.model_names import Meant
from samovar_agent.http.ollama.reply_lines import ReplyLines
from samovar_agent.http.open_work import Job
from samovar_agent.http.sse import EventStream
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, InstanceInfo, Progress

if TYPE_CHECKING:
    from samovar_agent.services import Services


async def reply(
    request: web.Request,
    job: Job,
    items: AsyncGenerator[AnyDelta | Progress | ChatReply, None],
    lines: ReplyLines,
    *,
    streams: bool,
    headers: dict[str, str],
) -> web.StreamResponse:
    """The reply, line by line or whole. - headers: further ones."""
    if not streams:
        return json_response(lines.whole(await last(items, ChatReply, job)), headers)
    kind = partial(LineStream, waiting=lines.waiting, further=headers)
    return await stream(request, job, items, lambda: lines, kind=kind, told=told)


async def keep_only(
    services: Services,
    request: web.Request,
    job: Job,
    model: Meant,
    lines: ReplyLines,
    *,
    keep: Keep,
    streams: bool,
    headers: dict[str, str],
) -> web.StreamResponse:
    """Answer a request without a prompt: it loads the model, or unloads it where it is to stay no time at all.

    - headers: further ones.
    """
    if keep.ttl_seconds == 0:
        async with job.interruptible():
            await services.instances.release(model.name)
        return _only_line(lines.nothing("unload"), headers, streams=streams)
    loading = services.instances.ready(model.name, "chat", keep=keep)
    if not streams:
        await last(loading, InstanceInfo, job)
        return json_response(lines.nothing("load"), headers)

    async def load(events: EventStream) -> None:
        async with aclosing(loading):
            async for item in loading:
                if isinstance(item, Progress):
                    await told(events, item)
        await events.send(lines.nothing("load"))

    return await streamed(request, job, load, kind=partial(LineStream, waiting=lines.waiting, further=headers))


def _only_line(line: bytes, headers: dict[str, str], *, streams: bool) -> web.Response:
    response = json_response(line, headers)
    if streams:
        response.content_type = LineStream.CONTENT_TYPE
    return response
