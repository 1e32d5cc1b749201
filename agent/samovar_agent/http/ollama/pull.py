"""`POST /api/pull`: a download, told line by line. Who leaves pauses it, and who asks again goes on with what came.

{"status": "pulling manifest"}
{"status": "pulling 1a2b3c4d5e6f", "digest": "sha256:1a2b…", "total": 98765432, "completed": 1234567}
{"status": "verifying sha256 digest"}
{"status": "success"}

Nothing is sent before it is known what is to come, so that a name that nobody knows, or a network policy that forbids
it, is an HTTP status.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response, streamed
from samovar_agent.http.json_body import read_json, refuse
from samovar_agent.http.ollama.lines import LineStream
from samovar_agent.http.ollama.named import Named
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.json_strings import one_line
from samovar_agent.http.openai.without_effect import naming
from samovar_agent.http.sse import EventStream
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.naming import LATEST, meanings
from samovar_agent.models.sources import Wanted
from samovar_protocol import SamovarError
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import Progress

if TYPE_CHECKING:
    from samovar_agent.services import Services

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {"username": ("",), "password": ("",)}
_HINTS = {
    "username": "Set HF_TOKEN for the agent where a model needs permission.",
    "password": "Set HF_TOKEN for the agent where a model needs permission.",
}
_TRANSFERS = frozenset({"downloading", "copying"})
_FIRST = "pulling manifest"
_SUCCESS = b'{"status":"success"}\n'


class PullRequest(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - stream: false answers once, at the end.

    - insecure: without effect, which the reply says; Open WebUI always sends true. All is verified here.
    """

    stream: bool | None = None
    insecure: bool | None = None
    # Refused unless they ask for nothing.
    username: str | None = None
    password: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line. - completed: bytes, of `total`."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


_decoder = msgspec.json.Decoder(PullRequest)


class Pull:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Fetch a model, or find that it is here."""
        body = await read_json(request, _decoder)
        refuse(body, _ASKS_FOR_NOTHING, "", hints=_HINTS)
        headers = naming(["insecure"] if body.insecure else [])
        pulling = Pulling(self._services, wanted_name(body.named), job.client)
        if body.stream is False:
            async with job.interruptible():
                await pulling.get()
            return json_response(_SUCCESS, headers)
        kind = partial(LineStream, waiting=lambda what: _line(pulling.last), further=headers)
        return await streamed(request, job, pulling.tell, kind=kind)


class Pulling:
    """One download on its way to one client. - last: what was told last."""

    def __init__(self, services: Services, name: str, client: str) -> None:
        self._services, self._name, self._client = services, name, client
        self._coming: asyncio.Queue[Status | None] = asyncio.Queue()
        self._digest = ""
        self.last = Status(status=_FIRST)

    async def get(self) -> GetReply:
        """The model, once it is here; raises what `Downloads.get` does."""
        return await self._services.downloads.get(
            Get(name=self._name), requester=self._client, on_progress=self._note, on_wanted=self._begin
        )

    async def tell(self, events: EventStream) -> None:
        """Send every line."""
        working = asyncio.ensure_future(self.get())
        working.add_done_callback(lambda _: self._coming.put_nowait(None))
        try:
            while (status := await self._coming.get()) is not None:
                if status == self.last and events.started:
                    continue
                self.last = status
                await events.comment("")  # a line that is repeated later is this one
                await events.send(_line(status))
            await working
            await events.send(_SUCCESS)
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError, SamovarError):
                await working

    def _begin(self, wanted: Wanted) -> None:
        self._digest = wanted.parts[0].sha256 or ""
        self._coming.put_nowait(self.last)

    def _note(self, progress: Progress) -> None:
        self._coming.put_nowait(self._status(progress))

    def _status(self, progress: Progress) -> Status:
        if progress.stage == "verifying":
            return Status(status="verifying sha256 digest")
        if progress.stage == "queued":
            return Status(status=f"waiting for {progress.done:.0f} other downloads")
        if progress.stage not in _TRANSFERS:
            return Status(status=progress.stage)
        return Status(
            status=f"pulling {self._digest[:12] or self._name}",
            digest=f"sha256:{self._digest}" if self._digest else "",
            total=int(progress.total or 0),
            completed=int(progress.done),
        )


def wanted_name(name: str) -> str:
    """What `samovar get` calls it: what the catalog knows of a `name:tag`; the hub's names as they are."""
    known = Catalog.built_in()
    for meaning in meanings(name):
        with contextlib.suppress(SamovarError):
            known.resolve(meaning)
            return meaning
    return name.removesuffix(f":{LATEST}")


def _line(status: Status) -> bytes:
    return one_line(msgspec.json.encode(status)) + b"\n"
