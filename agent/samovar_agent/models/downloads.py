"""Downloads: jobs of the agent that outlive the client that asked, the network, and the agent itself.

    downloads = Downloads(places=places, store=store, library=library, gate=gate, http=http, hub=hub, events=events,
                          catalog=catalog, settings=settings)
    await downloads.open()
    reply = await downloads.get(Get(name="smollm2-135m"), requester="samovar get", on_progress=show)

A job is queued, running, paused, waiting (for the network or the policy; it goes on by itself), done, failed or
cancelled. Under the policy "ask" one that an agent before this one had begun waits until a person resumes it. At most
two run at a time. Who waits for one and leaves pauses it, unless somebody else waits for it too or it was asked for in
the background; whoever asks again goes on with what came.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from samovar_agent.events import EventBus
from samovar_agent.models.download_job import DownloadJob, OnProgress, destinations, info_of
from samovar_agent.models.download_run import DownloadRun, Fetched, delete_what_came
from samovar_agent.models.download_sources import DownloadSources, Hub
from samovar_agent.models.library import Library
from samovar_agent.models.sources import Wanted
from samovar_agent.network.gate import Gate, refusal
from samovar_agent.network.http import Http
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.events import AnyEvent, DownloadChanged, NetworkChanged
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, DownloadState, ModelInfo, NetworkPolicy

log = logging.getLogger("samovar.models")

_AT_ONCE = 2
_TELL_SECONDS = 0.25
_RETRY_SECONDS = (10.0, 30.0, 60.0, 300.0, 600.0)
"""Until a download whose server fails is tried again by itself; the last one holds for all further times."""
_RETRIES = 100
"""About 16 hours; whoever is not there by then will not be."""


class Catalog(Protocol):
    """Who knows what a name stands for; see `models/catalog_service.py`."""

    async def wanted(
        self, name: str, *, source: str | None, sha256: str | None, unverified: bool, requester: str
    ) -> Wanted:
        """All that a download has to know."""


class Downloads:
    """The agent's downloads. Used from the event loop's thread."""

    def __init__(
        self,
        *,
        places: Places,
        store: Store,
        library: Library,
        gate: Gate,
        http: Http,
        hub: Hub,
        events: EventBus,
        catalog: Catalog,
        settings: SettingsFile,
    ) -> None:
        self._models = places.models
        self._table = store.downloads
        self._library = library
        self._gate = gate
        self._events = events
        self._catalog = catalog
        sources = DownloadSources(gate, http, hub, lambda: settings.current.network.connections)
        self._run = DownloadRun(places.models, library, sources, self._promised)
        self._jobs: dict[int, DownloadJob] = {}
        self._adding = asyncio.Lock()
        self._closing = False
        self._ticking: asyncio.Task[None] | None = None
        self._unsubscribe = events.subscribe(self._notice)

    async def open(self) -> None:
        """Take up what an agent that was stopped or killed left; what ran goes on by itself, if the policy allows."""
        for row in reversed(await self._table.ls()):
            if row.state in ("done", "cancelled"):
                continue
            try:
                job = DownloadJob(row, msgspec.json.decode(row.wanted, type=Wanted), self._models, background=True)
            except (msgspec.MsgspecError, SamovarError) as error:
                log.warning("a download cannot be gone on with", extra={"model": row.name, "problem": str(error)})
                await self._table.change(row.id, state="cancelled")
                continue
            if job.state in ("running", "waiting"):
                job.state = "queued"
            job.asked = False
            self._jobs[job.id] = job
        self._start_next()

    async def close(self) -> None:
        """Stop what runs, to be taken up by the next agent; who waits for it gets `shutting_down`."""
        self._closing = True
        self._unsubscribe()
        running = [self._ticking, *(job.task for job in self._jobs.values())]
        tasks = [task for task in running if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(job.finishing for job in tuple(self._jobs.values()) if job.finishing))
        for job in self._jobs.values():
            if job.retry:
                job.retry.cancel()
            job.settle(_shutting_down())
            if job.state in ("queued", "running", "waiting"):
                await self._table.change(job.id, done_bytes=job.progress.done)

    async def get(
        self,
        request: Get,
        *,
        requester: str,
        on_progress: OnProgress,
        on_wanted: Callable[[Wanted], None] = lambda wanted: None,
    ) -> GetReply:
        """The model, after fetching it where it is not here yet; or, in the background, the job that will.

        - requester: who asked, for the journal. - on_progress: called about four times a second; what it raises ends
        this for one alone. Clients that ask for one model share its job. - on_wanted: told once what is to come.
        Raises what `Catalog.wanted` and `DownloadSources.fetch` raise; also `cancelled` where somebody ended it, and
        `network_offline` where it could not even begin.
        """
        if self._closing:
            raise _shutting_down()
        wanted = await self._catalog.wanted(
            request.name,
            source=request.source,
            sha256=request.sha256,
            unverified=request.unverified,
            requester=requester,
        )
        on_wanted(wanted)
        await self._library.refresh()
        async with self._adding:
            job = None
            while job is None or job.state in ("done", "cancelled"):  # it may just come to its end
                if here := self._present(wanted):
                    return GetReply(model=here, already_present=True)
                if self._closing:
                    raise _shutting_down()
                if job:
                    await asyncio.sleep(0.01)
                adding = asyncio.ensure_future(self._job(wanted, request, requester))
                try:
                    job = await asyncio.shield(adding)
                except asyncio.CancelledError:
                    with contextlib.suppress(SamovarError):
                        await self._left(await adding)
                    raise
        if request.background:
            return GetReply(download=job.info())
        if job.state == "waiting":
            info = self._gate.info()
            if reason := refusal(info.policy, connected=info.connected, asked=True):
                raise reason  # it stays as it is
            self._wake(job)
        try:
            model = await job.follow(on_progress)
        finally:
            if not (job.followed or job.background or self._closing):
                await asyncio.shield(asyncio.ensure_future(self._left(job)))
        return GetReply(model=model, download=job.info())

    async def ls(self) -> list[DownloadInfo]:
        """Newest first: those that are not over, and the last ones that are."""
        rows = await self._table.ls()
        return [job.info() if (job := self._jobs.get(row.id)) else info_of(row) for row in rows]

    async def pause(self, id_: int) -> DownloadInfo:
        """Stop it and keep what came, also over restarts. Raises `not_found`, `bad_request` where it is over."""
        return await asyncio.shield(asyncio.ensure_future(self._pause(id_)))

    async def _pause(self, id_: int) -> DownloadInfo:
        job = await self._find(id_)
        async with job.lock:
            _refuse_over(job, "done", "cancelled", "failed")
            await self._stop(job, "paused")
            if job.state == "paused":
                job.settle(_end(job, "paused", f"`samovar downloads resume {id_}` goes on with it."))
            return job.info()

    async def resume(self, id_: int) -> DownloadInfo:
        """Go on with it, whether or not somebody waits. Raises `not_found`, `bad_request` where it is over."""
        job = await self._find(id_)
        async with job.lock:
            _refuse_over(job, "done", "cancelled")
            job.background = job.asked = True
            if job.state in ("paused", "failed", "waiting"):
                job.retries = 0
                await self._enqueue(job)
            return job.info()

    async def cancel(self, id_: int) -> DownloadInfo:
        """End it and delete what came. Raises `not_found`, `bad_request` where the model is here already."""
        return await asyncio.shield(asyncio.ensure_future(self._cancel(id_)))

    async def _cancel(self, id_: int) -> DownloadInfo:
        job = await self._find(id_)
        async with job.lock:
            _refuse_over(job, "done", "cancelled")
            await self._stop(job, "cancelled")
            _refuse_over(job, "done")
            await asyncio.to_thread(delete_what_came, self._models, job)
            job.progress.done = 0
            await self._change(job, "cancelled")
            job.settle(_end(job, "cancelled", "Get it again to begin anew."))
            self._jobs.pop(job.id, None)
            await self._library.refresh()
            return job.info()

    async def cancel_of(self, partial: Path) -> bool:
        """Cancel the download that writes this `.partial` file; False where none does."""
        for job in tuple(self._jobs.values()):
            if not {partial, partial.with_suffix("")}.isdisjoint(job.destinations):
                await self.cancel(job.id)
                return True
        return False

    def _present(self, wanted: Wanted) -> ModelInfo | None:
        first = wanted.parts[0]
        if len(wanted.parts) == 1 and first.sha256 and first.size_bytes:
            return self._library.present(sha256=first.sha256, size_bytes=first.size_bytes, file_name=first.name)
        # Of a model in parts, and of one that is made here, the digest is not known; its place is.
        path = str(destinations(self._models, wanted)[0])
        here = (info for info in self._library.ls() if info.path == path and info.state == "ready")
        return next((info for info in here if not self._library.damaged(info.key)), None)

    async def _job(self, wanted: Wanted, request: Get, requester: str) -> DownloadJob:
        """The job that goes to the same place, set going, or a new one."""
        place = destinations(self._models, wanted)[0]
        for job in self._jobs.values():
            if str(job.destinations[0]).casefold() == str(place).casefold():
                break
        else:
            job = await self._new(wanted, request, requester)
        async with job.lock:
            job.background = job.background or request.background
            job.priority = max(job.priority, request.priority)
            if job.state in ("paused", "failed"):
                job.want(wanted, self._models)
                job.background, job.asked = request.background, True
                job.retries = 0
                await self._table.change(job.id, wanted=_encoded(wanted), total_bytes=job.total_bytes)
                await self._enqueue(job)
            elif job.state not in ("done", "cancelled") and not _same(job.wanted, wanted):
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"Download {job.id} brings another file to where {wanted.parts[0].name} would go.",
                    hint=f"Wait for it, or `samovar downloads cancel {job.id}`.",
                )
            elif not job.asked:
                job.asked = True
                self._wake(job)
        return job

    async def _new(self, wanted: Wanted, request: Get, requester: str) -> DownloadJob:
        if mine := next(filter(self._library.brought_by_hand, destinations(self._models, wanted)), None):
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"{mine} is another model that was put there, and no download of it.",
                hint="Remove that with `samovar rm` first, or import it under another name.",
            )
        total = sum(part.size_bytes or 0 for part in wanted.parts) or None
        encoded = _encoded(wanted)
        id_ = await self._table.add(
            name=wanted.key, wanted=encoded, priority=request.priority, requester=requester, total_bytes=total
        )
        row = next(row for row in await self._table.ls() if row.id == id_)
        job = self._jobs[id_] = DownloadJob(row, wanted, self._models, background=request.background)
        self._publish(job)
        self._start_next()
        return job

    async def _find(self, id_: int) -> DownloadJob:
        if job := self._jobs.get(id_):
            return job
        for row in await self._table.ls():
            if row.id == id_:
                raise SamovarError(
                    FailureCode.BAD_REQUEST, f"Download {id_} is over: {row.state}.", hint="Get it again to begin anew."
                )
        raise SamovarError(
            FailureCode.NOT_FOUND, f"There is no download {id_}.", hint="`samovar downloads` lists them."
        )

    async def _enqueue(self, job: DownloadJob) -> None:
        if job.retry:
            job.retry.cancel()
        job.failure, job.came = None, False
        await self._change(job, "queued")
        self._start_next()

    def _start_next(self) -> None:
        """Let the most important ones run, as long as there is room for them."""
        queued = sorted(
            (job for job in self._jobs.values() if job.state == "queued"), key=lambda job: (-job.priority, job.id)
        )
        running = sum(job.task is not None for job in self._jobs.values())
        for position, job in enumerate(queued):
            job.ahead = running + position
            if running + position < _AT_ONCE and not self._closing:
                job.state = "running"
                job.task = asyncio.create_task(self._work(job), name=f"download {job.name}")
                self._publish(job)
        if self._ticking is None and not self._closing:
            self._ticking = asyncio.create_task(self._tick(), name="download progress")

    async def _work(self, job: DownloadJob) -> None:
        try:
            if reason := _unasked(job, self._gate.info().policy):
                raise reason
            await self._table.change(job.id, state="running", failure=None)
            fetched = await self._run.fetch(job)
            job.finishing = asyncio.ensure_future(self._finish(job, fetched))
            await asyncio.shield(job.finishing)  # whoever stops it now comes too late
        except Exception as error:
            await self._failed(job, error)
        finally:
            self._ended(job)

    async def _finish(self, job: DownloadJob, fetched: Fetched) -> None:
        try:
            model = await self._run.add(job, fetched)
            job.model = model.key
            if job.total_bytes is None:  # what is made here has a size only now
                job.progress.begin(model.size_bytes, model.size_bytes)
            await self._change(job, "done", model=model.key, total_bytes=job.progress.total)
            self._jobs.pop(job.id, None)
            job.settle(model)
        except Exception as error:
            await self._failed(job, error)
        finally:
            job.finishing = None

    async def _failed(self, job: DownloadJob, error: Exception) -> None:
        """It waits where time may help, and there is reason to believe so; else it has failed."""
        if not isinstance(error, SamovarError):
            log.error("a download failed unexpectedly", exc_info=error)
            error = SamovarError(
                FailureCode.INTERNAL, "Something went wrong inside the agent.", hint="`samovar logs` has the details."
            )
        job.failure = error.failure
        if job.progress.moved:
            job.came, job.retries = True, 0
        hopeful = (job.background or job.came) and job.retries < _RETRIES
        if error.code in (FailureCode.NETWORK_OFFLINE, FailureCode.NETWORK_FAILED) and hopeful:
            info = self._gate.refresh()  # told to all, so that its coming back is an event too
            reason = refusal(info.policy, connected=info.connected, asked=True) or _unasked(job, info.policy)
            if reason is None:  # else an event will tell
                delay = _RETRY_SECONDS[min(job.retries, len(_RETRY_SECONDS) - 1)]
                job.retries += 1
                job.retry = asyncio.get_running_loop().call_later(delay, self._wake, job)
            await self._change(job, "waiting")
            return
        job.state = "failed"
        job.settle(error)
        await self._change(job, "failed")

    async def _stop(self, job: DownloadJob, state: DownloadState) -> None:
        """Bring it to rest in this state; one that came to its end meanwhile keeps its own."""
        if job.retry:
            job.retry.cancel()
        if (task := job.task) is not None:
            task.cancel()
            await asyncio.wait([task])
            if job.finishing:
                await asyncio.wait([job.finishing])
            self._ended(job)  # a task that is cancelled before its first step does not say so itself
            if job.state in ("done", "failed"):
                return
        job.failure = None
        await self._change(job, state)
        self._start_next()

    def _ended(self, job: DownloadJob) -> None:
        job.task = None
        self._start_next()

    async def _left(self, job: DownloadJob) -> None:
        """The last one who waited for it has gone."""
        async with job.lock:
            if job.state in ("queued", "running", "waiting") and not (job.followed or job.background):
                await self._stop(job, "paused")

    async def _change(self, job: DownloadJob, state: DownloadState, **values: object) -> None:
        job.state = state
        self._publish(job)
        await self._table.change(
            job.id,
            state=state,
            priority=job.priority,
            source=job.source,
            done_bytes=job.progress.done,
            failure=msgspec.json.encode(job.failure).decode() if job.failure else None,
            **values,
        )

    def _publish(self, job: DownloadJob) -> None:
        job.tell()
        self._events.publish(DownloadChanged(download=job.info()))

    async def _tick(self) -> None:
        """Tell of what runs, as long as something does."""
        while any(job.state in ("running", "queued") for job in self._jobs.values()):
            await asyncio.sleep(_TELL_SECONDS)
            for job in tuple(self._jobs.values()):
                if job.state == "running":
                    self._publish(job)
                elif job.state == "queued":
                    job.tell()
        self._ticking = None

    def _notice(self, _sequence: int, _time: float, _cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, NetworkChanged) and event.network.connected and event.network.policy != "offline":
            for job in self._jobs.values():
                if job.state == "waiting" and not _unasked(job, event.network.policy):
                    # Not here: an event published while another is on its way would overtake it.
                    asyncio.get_running_loop().call_soon(self._wake, job)

    def _wake(self, job: DownloadJob) -> None:
        if job.state == "waiting" and not self._closing:
            if job.retry:
                job.retry.cancel()
            job.state, job.failure = "queued", None
            self._start_next()

    def _promised(self) -> int:
        """Bytes that running downloads will still write; the one that asks counts its own itself."""
        me = asyncio.current_task()
        return sum(
            max(0, (job.total_bytes or 0) - job.progress.done)
            for job in self._jobs.values()
            if job.task is not None and job.task is not me
        )


def _encoded(wanted: Wanted) -> str:
    return msgspec.json.encode(wanted).decode()


def _same(going: Wanted, wanted: Wanted) -> bool:
    """Whether who wants the one is content with the other."""
    digests = [part.sha256 for part in wanted.parts]
    if all(digests):
        return digests == [part.sha256 for part in going.parts]
    return going.sources == wanted.sources  # only the place says what it is


def _unasked(job: DownloadJob, policy: NetworkPolicy) -> SamovarError | None:
    """Why it waits for a person, where it does: it would go on by itself, and the policy allows only what is asked."""
    if policy != "ask" or job.asked or job.needs_no_network:
        return None
    return SamovarError(
        FailureCode.NETWORK_OFFLINE,
        f"The network policy is 'ask': `samovar downloads resume {job.id}` goes on with it.",
        hint="Or allow all with `samovar network online`.",
    )


def _refuse_over(job: DownloadJob, *states: DownloadState) -> None:
    if job.state in states:
        raise SamovarError(
            FailureCode.BAD_REQUEST, f"Download {job.id} is over: {job.state}.", hint="`samovar downloads` lists them."
        )


def _end(job: DownloadJob, how: str, hint: str) -> SamovarError:
    return SamovarError(FailureCode.CANCELLED, f"The download of {job.name} was {how}.", hint=hint)


def _shutting_down() -> SamovarError:
    return SamovarError(
        FailureCode.SHUTTING_DOWN, "The agent is stopping; the download goes on when it is started again."
    )
