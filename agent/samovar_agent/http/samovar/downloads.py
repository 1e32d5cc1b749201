"""`/api/samovar/downloads`: begin downloads, see how far they are, and pause, resume or cancel them.

    POST /api/samovar/downloads                 {"name": "smollm2-135m"}, with "stream": true for progress as events
    GET  /api/samovar/downloads
    POST /api/samovar/downloads/7/pause         likewise resume and cancel

What they take and answer is the control protocol's `get`, `download_ls`, `download_pause` and so on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import json_response, streamed
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import find_number
from samovar_agent.http.samovar.following import Report, follow, nobody
from samovar_protocol.replies import DownloadLsReply, DownloadReply, GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class DownloadRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - stream: answer with progress until it is over; otherwise answer as soon as it is queued.

    The others are those of `get`.
    """

    name: Annotated[str, Meta(min_length=1, max_length=2000)]
    source: Name | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    unverified: bool = False
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    stream: bool = False


_decoder = msgspec.json.Decoder(DownloadRequest)


class Downloads:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """Newest first."""
        return json_response(msgspec.json.encode(DownloadLsReply(downloads=await self._services.downloads.ls())))

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Begin a download. When the last client that follows it goes away, it is paused, and what came is kept."""
        body = await read_json(request, _decoder)
        get = Get(
            name=body.name,
            source=body.source,
            sha256=body.sha256,
            unverified=body.unverified,
            priority=body.priority,
            background=not body.stream,
        )
        if not body.stream:
            async with job.interruptible():
                reply = await self._services.downloads.get(get, requester=job.client, on_progress=nobody)
            return json_response(msgspec.json.encode(reply))

        def work(report: Report) -> Awaitable[GetReply]:
            return self._services.downloads.get(get, requester=job.client, on_progress=report)

        return await streamed(request, job, lambda events: follow(events, work))

    async def pause(self, request: web.Request, job: Job) -> web.Response:
        """What came is kept."""
        return await self._do(request, self._services.downloads.pause)

    async def resume(self, request: web.Request, job: Job) -> web.Response:
        """Go on with one that was paused or failed."""
        return await self._do(request, self._services.downloads.resume)

    async def cancel(self, request: web.Request, job: Job) -> web.Response:
        """What came is deleted."""
        return await self._do(request, self._services.downloads.cancel)

    async def _do(self, request: web.Request, change: Callable[[int], Awaitable[DownloadInfo]]) -> web.Response:
        number = find_number(request.match_info["id"], "download")
        return json_response(msgspec.json.encode(DownloadReply(download=await change(number))))
