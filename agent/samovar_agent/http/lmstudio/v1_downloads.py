"""`POST /api/v1/models/download` and `GET /api/v1/models/download/status/{job}`: downloads, as jobs of their own."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import read_json
from samovar_agent.http.lmstudio.errors import job_not_found
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import number_of
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, DownloadState

if TYPE_CHECKING:
    from samovar_agent.services import Services

_PREFIX = "job_"
Status = Literal["downloading", "paused", "completed", "failed", "already_downloaded"]
_STATUS: dict[DownloadState, Status] = {
    "queued": "downloading",
    "running": "downloading",
    "waiting": "downloading",  # it goes on by itself; `problem` says what it waits for
    "paused": "paused",
    "done": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


class DownloadRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - model: of the catalog, a repository of the hub, or its address. - quantization: which file of it."""

    model: Annotated[str, Meta(min_length=1, max_length=1500)]
    quantization: Annotated[str, Meta(pattern=r"^[^@/\\\s:]{1,200}\Z")] | None = None

    def name(self) -> str:
        """What is to be downloaded, in one word; raises `bad_request` where the model has a quantization already."""
        if self.quantization is None:
            return self.model
        # What may follow in an address would take the quantization for a part of itself.
        model = self.model.partition("?")[0].partition("#")[0].rstrip("/")
        if "@" in model:
            raise bad_request("'model' names a quantization already.", param="quantization", hint="Leave one out.")
        return f"{model}@{self.quantization}"


class DownloadJob(msgspec.Struct, frozen=True, kw_only=True):
    """How a download is. What is not known yet is absent. - problem: ours; why it waits or failed."""

    job_id: str | UnsetType = UNSET
    status: Status
    bytes_per_second: float | UnsetType = UNSET
    estimated_completion: str | UnsetType = UNSET
    completed_at: str | UnsetType = UNSET
    total_size_bytes: int | UnsetType = UNSET
    downloaded_bytes: int | UnsetType = UNSET
    started_at: str | UnsetType = UNSET
    problem: str | UnsetType = UNSET


_decoder = msgspec.json.Decoder(DownloadRequest)


class Downloads:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Begin a download, or go on with it; it goes on without this client."""
        body = await read_json(request, _decoder)
        get = Get(name=body.name(), background=True)
        async with job.interruptible():
            reply = await self._services.downloads.get(get, requester=job.client, on_progress=lambda progress: None)
        if reply.download is None:
            return _response(DownloadJob(status="already_downloaded"))
        return _response(await self._job(reply.download))

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """How one is."""
        id_ = request.match_info["job"]
        number = number_of(id_, _PREFIX)
        found = next((one for one in await self._services.downloads.ls() if one.id == number), None)
        if found is None:
            raise job_not_found(id_)
        return _response(await self._job(found))

    async def _job(self, info: DownloadInfo) -> DownloadJob:
        status, progress = _STATUS[info.state], info.progress
        job = DownloadJob(
            job_id=f"{_PREFIX}{info.id}",
            status=status,
            started_at=_moment(info.created_at),
            problem=info.problem or UNSET,
        )
        if progress is not None and progress.unit == "bytes":  # in the queue, requests before it are counted
            job = msgspec.structs.replace(
                job,
                downloaded_bytes=int(progress.done),
                total_size_bytes=UNSET if progress.total is None else int(progress.total),
            )
        if status == "completed":
            return msgspec.structs.replace(job, completed_at=await self._completed_at(info.id))
        if status != "downloading":
            return job
        known = progress if progress is not None and info.state == "running" else None
        eta = known.eta_seconds if known is not None else None
        return msgspec.structs.replace(
            job,
            bytes_per_second=known.per_second or 0.0 if known is not None else 0.0,
            estimated_completion=UNSET if eta is None else _moment(time.time() + eta),
        )

    async def _completed_at(self, id_: int) -> str | UnsetType:
        rows = await self._services.store.downloads.ls()
        return next((_moment(row.changed_at) for row in rows if row.id == id_ and row.state == "done"), UNSET)


def _moment(seconds: float) -> str:
    """A time as LM Studio writes it, e.g. 2026-01-31T12:00:00.000Z."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _response(job: DownloadJob) -> web.Response:
    return json_response(msgspec.json.encode(job))
