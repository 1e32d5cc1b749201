"""Which models are in memory. Whoever wants one gets it loaded and shared here.

There is no way to look first and act later: `load` and `_obtain` do both in one step. What models in memory can be
asked is in `instances.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from samovar_agent.engine.backoff import Backoff
from samovar_agent.engine.instance import Instance
from samovar_agent.engine.interface import (
    LoadOptions,
    SnapshotOptions,
)
from samovar_agent.engine.lifecycle import ENDED
from samovar_agent.engine.machine import usable_cores
from samovar_agent.engine.memory import check_room, default_context, estimate
from samovar_agent.engine.process import WORKER_COMMAND, WorkerEngine
from samovar_agent.engine.room import free_bytes, idle_to_make_room
from samovar_agent.engine.tally import Tallies, Tally
from samovar_agent.engine.wire import CacheChanged
from samovar_agent.engine.worker_log import WorkerLog
from samovar_agent.events import EventBus
from samovar_agent.models.library import Library, ModelFile
from samovar_agent.settings import SettingsFile
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import LoadReply
from samovar_protocol.values import (
    InstanceInfo,
    MemoryEstimate,
    Progress,
)

log = logging.getLogger("samovar.engine")


class SnapshotPlaces(NamedTuple):
    """Where computed prefixes are kept over restarts. - key_file: what authenticates them."""

    folder: Path
    key_file: Path


class Residents:
    """The models in memory, one worker process each; the base of `Instances`.

    - logs: folder for the workers' logs. - snapshots: None keeps no prefixes. - worker_command: starts a worker.
    - patience: seconds that a worker gets to end by itself, of which it may take half to write prefixes to disk; a
    third of it again after it was told to, before it is killed.

    `tallies` is what models have done so far, also those that are no longer in memory.
    """

    def __init__(
        self,
        *,
        library: Library,
        settings: SettingsFile,
        events: EventBus,
        logs: Path,
        snapshots: SnapshotPlaces | None = None,
        worker_command: Sequence[str] = WORKER_COMMAND,
        patience: float = 6.0,
    ) -> None:
        self._library, self._settings, self._events, self._logs = library, settings, events, logs
        self._snapshots, self._worker_command, self._patience = snapshots, tuple(worker_command), patience
        self.tallies = Tallies()
        self._instances: dict[str, Instance] = {}
        self._backoff = Backoff()
        self._leaving: set[str] = set()
        self._closed = False

    async def load(
        self,
        name: str,
        *,
        context: int | None = None,
        ttl_seconds: float | None = None,
        identifier: str | None = None,
        force: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> LoadReply:
        """Bring a model into memory; one that is there already is returned as it is, unless it has too little context.

        - name: of a model or instance. - context: tokens; None for the setting, never above the model's own. One that
        is there with less is loaded anew, or `model_in_use` raised where somebody uses it.
        - ttl_seconds: unload after so long without use; None never. - identifier: another name for this instance.
        - force: load although it does not seem to fit, or has just failed several times.
        - on_progress: told how far loading is.
        Where room is short, models that nobody uses now are unloaded first, the longest unused before the others.
        Raises what `Library.find` does, `bad_request`, `not_enough_memory`, `load_failed`, `model_unsupported`.
        """
        instance, already = await self._obtain(
            name, context=context, ttl_seconds=ttl_seconds, identifier=identifier, force=force, at_least=True
        )
        if ttl_seconds is not None and not already:
            instance.keep_for(ttl_seconds)  # also where it is loaded anew, which keeps the old time
        with instance.use():
            async with contextlib.aclosing(load_progress(instance)) as progresses:
                async for progress in progresses:
                    on_progress(progress)  # raises where the client has left; that ends this request alone
        return LoadReply(estimate=instance.estimate, instance=instance.info, already_loaded=already)

    def estimate(self, name: str, *, context: int | None = None) -> MemoryEstimate:
        """What loading a model would take, without doing it. Raises what `Library.find` does, and `bad_request`."""
        return self._estimate(self._library.find(name), context)

    async def unload(self, name: str) -> str:
        """Take an instance out of memory, by its identifier or its model's name; returns its identifier.

        Requests that it serves end with `cancelled`. Raises `model_unknown`, or `model_ambiguous` where a model's name
        stands for several instances.
        """
        instance = self._instances.get(name)
        if instance is None:
            with contextlib.suppress(SamovarError):  # a model may be gone from the library and still in memory
                name = self._library.key_of(name)
            found = [instance for instance in self._instances.values() if instance.model == name]
            if len(found) > 1:
                raise ambiguous(f"'{name}' is in memory several times", [one.identifier for one in found])
            instance = found[0] if found else None
        if instance is None:
            raise SamovarError(
                FailureCode.MODEL_UNKNOWN, f"'{name}' is not in memory.", hint="`samovar ps` lists what is."
            )
        await instance.unload(_unloaded(instance))
        return instance.identifier

    async def release(self, name: str) -> None:
        """Take an instance out of memory as soon as nobody uses it: at once, or after the requests that it serves.

        - name: as in `load`; one that is not in memory is none to release. Raises what `Library.key_of` does.
        """
        instance = self._existing(name, None)
        if instance is None or not instance.usable:
            return
        instance.keep_for(0)
        if instance.idle:
            await instance.unload(_unloaded(instance))

    async def unload_all(self) -> list[str]:
        """Take everything out of memory; returns the identifiers."""
        instances = list(self._instances.values())
        await asyncio.gather(*(instance.unload(_unloaded(instance)) for instance in instances))
        return [instance.identifier for instance in instances]

    def ls(self) -> list[InstanceInfo]:
        """Instances, oldest first; not those that failed and whose process is about to be gone."""
        return [instance.info for instance in self._instances.values() if instance.state not in ENDED]

    @contextlib.contextmanager
    def kept_out(self, key: str) -> Iterator[None]:
        """Meanwhile nobody loads the model `key`, so that its file can be removed. Raises `model_in_use`."""
        users = [instance.identifier for instance in self._instances.values() if instance.model == key]
        if users:
            raise SamovarError(
                FailureCode.MODEL_IN_USE,
                f"{key} is in memory as {', '.join(users)}.",
                hint=f"Run `samovar unload {users[0]}` first.",
            )
        self._leaving.add(key)
        try:
            yield
        finally:
            self._leaving.discard(key)

    async def close(self) -> None:
        """End everything with `shutting_down`; no worker is left afterwards."""
        self._closed = True
        reason = _shutting_down()
        await asyncio.gather(*(instance.unload(reason) for instance in list(self._instances.values())))

    async def _obtain(
        self,
        name: str,
        *,
        context: int | None = None,
        ttl_seconds: float | None,
        identifier: str | None = None,
        force: bool = False,
        at_least: bool = False,
    ) -> tuple[Instance, bool]:
        """The instance that `name` means, and whether it was there before; begins to load a new one where needed.

        - at_least: one that is there with less context than `context` is loaded anew; raises `model_in_use` where
        somebody uses it.
        """
        while True:
            if self._closed:
                raise _shutting_down()
            instance = self._existing(name, identifier)
            if instance is not None and instance.usable:
                if not at_least or context is None or context <= instance.estimate.context_length:
                    return instance, True
                self._check_larger(instance, context)
                # As the same instance to everybody: under its name, and for as long as whoever loaded it said.
                name, ttl_seconds = instance.model, instance.info.ttl_seconds
                identifier = instance.identifier if instance.identifier != instance.model else None
                log.info("%s is loaded anew for %d tokens of context", instance.identifier, context)
                await instance.unload(_unloaded(instance))
                continue
            if instance is not None:
                await instance.gone.wait()  # on its way out; its place is free in a moment
                continue
            file = self._library.find(name)
            if file.info.key in self._leaving:
                raise SamovarError(
                    FailureCode.MODEL_UNKNOWN,
                    f"{file.info.key} is being removed.",
                    hint="`samovar ls` lists what stays.",
                )
            if not force:
                self._backoff.check(file.info.key)
            need = self._estimate(file, context)
            if force or need.need_bytes <= need.free_bytes:
                break
            leaving = next((one for one in self._instances.values() if not one.usable), None)
            if leaving is not None:
                await leaving.gone.wait()  # it may leave room enough
                continue
            idle = idle_to_make_room(need, file.info.path, self._instances.values())
            if idle is None:
                check_room(need, file.info.key)
                break
            log.info("%s is unloaded to make room for %s", idle.identifier, file.info.key)
            await idle.unload(_unloaded(idle))
        tally = self.tallies.of(file.info.key)
        instance = Instance(
            identifier=identifier or file.info.key,
            model=file.info.key,
            options=LoadOptions(
                path=file.info.path,
                context_length=need.context_length,
                threads=self._threads,
                snapshots=self._snapshot_options(),
            ),
            estimate=need,
            ttl_seconds=ttl_seconds,
            engine=WorkerEngine(
                self._worker_command,
                WorkerLog(self._logs, identifier or file.info.key),
                patience=self._patience,
                hang_seconds=self._settings.current.engine.hang_seconds,
                on_cache=partial(_count, tally),
            ),
            events=self._events,
            tally=tally,
            on_end=self._forget,
        )
        self._instances[instance.identifier] = instance
        return instance, False

    def _check_larger(self, instance: Instance, context: int) -> None:
        """Raise why it cannot be had with so much context, before it is unloaded for that."""
        file = self._library.find(instance.model)
        need = self._estimate(file, context)
        if not instance.idle:
            there = instance.estimate.context_length
            raise SamovarError(
                FailureCode.MODEL_IN_USE,
                f"'{instance.identifier}' is in use with {there:,} tokens of context; {context:,} were asked for.",
                hint=f"Ask again when it is idle, or for at most {there:,}.",
            )
        if idle_to_make_room(need, file.info.path, self._instances.values()) is None:
            check_room(need, file.info.key)

    def _snapshot_options(self) -> SnapshotOptions | None:
        budget = int(self._settings.current.engine.snapshot_gigabytes * 1e9)
        if self._snapshots is None or not budget:
            return None
        folder, key_file = self._snapshots
        return SnapshotOptions(folder=str(folder), key_file=str(key_file), budget_bytes=budget)

    @property
    def _threads(self) -> int:
        return self._settings.current.engine.threads or usable_cores()

    def _existing(self, name: str, identifier: str | None) -> Instance | None:
        if identifier is None and name in self._instances:
            return self._instances[name]
        key = self._library.key_of(name)
        if identifier is None:
            return next((instance for instance in self._instances.values() if instance.model == key), None)
        instance = self._instances.get(identifier)
        other = instance.model if instance is not None else self._key_or_none(identifier)
        if other is not None and other != key:  # or the other model's name would be answered by this one
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"The identifier '{identifier}' already means '{other}'.",
                hint="Choose another identifier.",
            )
        return instance

    def _key_or_none(self, name: str) -> str | None:
        try:
            return self._library.key_of(name)
        except SamovarError:
            return None

    def _estimate(self, file: ModelFile, context: int | None) -> MemoryEstimate:
        trained = file.header.context_length
        if context is not None and trained is not None and context > trained:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"'{file.info.key}' was trained for {trained:,} tokens of context; {context:,} were asked for.",
                hint=f"Ask for at most {trained:,}.",
            )
        length = context or default_context(file.header, self._settings.current.models.context_length)
        free = free_bytes(file.info.path, self._instances.values())
        return estimate(file.header, context_length=length, threads=self._threads, free_bytes=free)

    def _forget(self, instance: Instance) -> None:
        if instance.failure is not None:
            self._backoff.failed(instance.model, instance.failure, instance.served_seconds)
        else:
            self._backoff.ended_well(instance.model)
        if self._instances.get(instance.identifier) is instance:
            del self._instances[instance.identifier]


async def load_progress(instance: Instance) -> AsyncGenerator[Progress, None]:
    """Progress until `instance` is ready; nothing where it is already."""
    if instance.state == "ready":
        return
    progresses: asyncio.Queue[float | None] = asyncio.Queue()
    waiting = asyncio.create_task(instance.ready(progresses.put_nowait))
    waiting.add_done_callback(lambda task: progresses.put_nowait(None))
    try:
        while (done := await progresses.get()) is not None:
            yield _loading(done)
        await waiting
    finally:
        waiting.cancel()


def _count(tally: Tally, change: CacheChanged) -> None:
    tally.evictions += change.evictions
    tally.snapshots_restored += change.restored
    tally.snapshots_saved += change.saved


def _loading(done: float) -> Progress:
    return Progress(stage="loading", done=done, total=1, unit="ratio")


def _unloaded(instance: Instance) -> SamovarError:
    return SamovarError(
        FailureCode.CANCELLED, f"'{instance.identifier}' was unloaded.", hint="Send the request again to load it."
    )


def _shutting_down() -> SamovarError:
    return SamovarError(FailureCode.SHUTTING_DOWN, "The agent is stopping.", hint="`samovar up` starts it again.")


def ambiguous(what: str, names: list[str]) -> SamovarError:
    """What to raise where a name, or none, stands for several models."""
    return SamovarError(
        FailureCode.MODEL_AMBIGUOUS,
        f"{what}: {', '.join(names)}.",
        hint="Name the one you mean.",
        details={"models": names},
    )
