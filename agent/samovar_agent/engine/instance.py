"""One model in memory: its state, who uses it, and how it comes to an end. Nobody else changes any of that."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator

from samovar_agent.engine.interface import (
    Embedded,
    Embedding,
    Engine,
    Finding,
    Finished,
    Generation,
    LoadOptions,
    Output,
    Question,
    Ranked,
    Ranking,
    Started,
)
from samovar_agent.engine.lifecycle import Lifecycle
from samovar_agent.engine.machine import mapped_bytes, resident_bytes
from samovar_agent.engine.overflow import with_remedy
from samovar_agent.engine.tally import Outcome, Tally
from samovar_agent.engine.usage import Place, Usage
from samovar_agent.events import EventBus
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import InstanceChanged
from samovar_protocol.values import InstanceInfo, InstanceState, MemoryEstimate, Priority, Stats

_PROGRESS_SECONDS = 0.1
"""Loading is announced no more often than this."""

OnProgress = Callable[[float], None]


class Instance:
    """A model in memory, or on its way there or out.

    - identifier: what requests may name. - model: the model's key. - ttl_seconds: unloaded after so long without use.
    - tally: of its model, counted up. - on_end: called once, when it is gone.
    """

    def __init__(
        self,
        *,
        identifier: str,
        model: str,
        options: LoadOptions,
        estimate: MemoryEstimate,
        ttl_seconds: float | None,
        engine: Engine,
        events: EventBus,
        tally: Tally,
        on_end: Callable[[Instance], None],
    ) -> None:
        self.identifier, self.model, self.path, self.estimate = identifier, model, options.path, estimate
        self.gone = asyncio.Event()
        self.failure: SamovarError | None = None
        self._lifecycle = Lifecycle()
        self._options, self._ttl_seconds = options, ttl_seconds
        self._engine, self._events, self._tally, self._on_end = engine, events, tally, on_end
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._ready.add_done_callback(lambda future: future.exception())  # it may fail while nobody waits
        self._listeners: list[OnProgress] = []
        self._progress, self._announced = 0.0, 0.0
        self._runtime = ""
        self._served_from: float | None = None
        self._loaded_at: float | None = None
        self._used_at: float | None = None
        self._users = 0
        self._usage = Usage()
        self._timer: asyncio.TimerHandle | None = None
        self._announcement: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._changed()
        self._life = asyncio.create_task(self._live())

    @property
    def state(self) -> InstanceState:
        """Where it is in its life."""
        return self._lifecycle.state

    @property
    def usable(self) -> bool:
        """Ready, or going to be."""
        return self._lifecycle.usable

    @property
    def idle(self) -> bool:
        """In memory, and nobody uses it now."""
        return self.state == "ready" and not self._users

    @property
    def coming(self) -> bool:
        """On its way into memory."""
        return self.usable and self.state != "ready"

    @property
    def served_seconds(self) -> float:
        """How long it has been loaded; 0 where it never was."""
        return time.monotonic() - self._served_from if self._served_from is not None else 0.0

    @property
    def last_used(self) -> float:
        """When somebody used it, or else when it was loaded; Unix seconds."""
        return self._used_at or self._loaded_at or 0.0

    @property
    def weights_in_memory(self) -> int:
        """How much of its model's file is in memory for it now."""
        return min(mapped_bytes(self._engine.pid), self.estimate.weights_bytes)

    @property
    def private_bytes(self) -> int:
        """What it has taken besides the pages of its file."""
        return max(0, resident_bytes(self._engine.pid) - self.weights_in_memory)

    @property
    def promised_bytes(self) -> int:
        """What it may take yet: buffers fill when they are needed first, some of them with the first long text."""
        return max(0, self.estimate.cache_bytes + self.estimate.buffer_bytes - self.private_bytes)

    @property
    def info(self) -> InstanceInfo:
        """Everything about it, as it is now."""
        totals = self._usage.totals
        return InstanceInfo(
            identifier=self.identifier,
            model=self.model,
            state=self.state,
            progress=self._progress,
            context_length=self._options.context_length,
            memory_bytes=resident_bytes(self._engine.pid),
            pid=self._engine.pid,
            runtime=self._runtime,
            loaded_at=self._loaded_at,
            last_used_at=self._used_at,
            ttl_seconds=self._ttl_seconds,
            active=self._usage.active,
            queued=self._usage.queued,
            requests=self._usage.requests,
            prompt_tokens=totals.prompt_tokens,
            cached_tokens=totals.cached_tokens,
            completion_tokens=totals.completion_tokens,
            drafted_tokens=totals.drafted_tokens,
            accepted_tokens=totals.accepted_tokens,
            last=self._usage.last,
            problem=self.failure.failure.message if self.failure else None,
        )

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Keep it in memory meanwhile. Where the last user goes before it is loaded, loading stops."""
        self._users += 1
        self._arm()
        try:
            yield
        finally:
            self._users -= 1
            self._used_at = time.time()
            self._arm()
            if self.usable and not self._ready.done() and not self._users:
                self._end_soon(SamovarError(FailureCode.CANCELLED, f"Loading '{self.identifier}' was cancelled."))

    async def ready(self, on_progress: OnProgress) -> None:
        """Wait until it is loaded; raises why it cannot be. Only inside `use`.

        - on_progress: told 0 to 1; must not raise, since it is called by whoever reads the worker's answers.
        """
        self._listeners.append(on_progress)
        try:
            await asyncio.shield(self._ready)
        finally:
            self._listeners.remove(on_progress)

    @contextlib.contextmanager
    def request(self, priority: Priority, *, limit: int) -> Iterator[Place]:
        """Keep it in memory for a request, which waits in the queue until it is begun; told to everybody at its end.

        - limit: so many may wait; raises `busy` beyond.
        """
        with self.use():
            try:
                place = self._usage.enter(priority, limit=limit)
            except SamovarError:
                self._tally.outcomes["refused"] += 1
                raise
            try:
                self._changed()
                yield place
            finally:
                self._usage.leave(place)
                self._tally.outcomes[_outcome(place)] += 1
                self._used_at = time.time()
                if self.usable:
                    self._changed()

    def before(self, place: Place) -> int:
        """About how many requests come before this one."""
        return self._usage.before(place)

    async def generate(self, generation: Generation, place: Place) -> AsyncGenerator[Output, None]:
        """Compute a reply; only inside `request` and after `ready`."""
        with self._failures(place):
            async with contextlib.aclosing(self._engine.generate(generation)) as outputs:
                async for output in outputs:
                    if isinstance(output, Started):
                        self._start(place)
                    elif isinstance(output, Finished):
                        self._usage.count(output.stats)
                        self._tally.replied(output.stats, _complete(place))
                    yield output

    async def embed(self, embedding: Embedding, place: Place) -> Embedded:
        """Compute vectors; only inside `request` and after `ready`."""
        self._start(place, told=False)
        with self._failures(place):
            result = await self._engine.embed(embedding)
        self._computed(result, place)
        return result

    async def rank(self, ranking: Ranking, place: Place) -> Ranked:
        """Compute scores; only inside `request` and after `ready`."""
        self._start(place, told=False)
        with self._failures(place):
            result = await self._engine.rank(ranking)
        self._computed(result, place)
        return result

    def _computed(self, result: Embedded | Ranked, place: Place) -> None:
        self._usage.count(Stats(prompt_tokens=result.prompt_tokens, prompt_seconds=result.seconds))
        self._tally.computed(result.prompt_tokens, _complete(place))

    async def ask(self, question: Question) -> Finding:
        """What the model says of texts and tokens, beside its work; only inside `use` and after `ready`."""
        return await self._engine.ask(question)

    @contextlib.contextmanager
    def _failures(self, place: Place) -> Iterator[None]:
        """Remember that the work failed: whoever asked for it may only be seen to leave then."""
        try:
            yield
        except SamovarError as error:
            place.outcome = "failed"
            raise with_remedy(error, self.model) from error.__cause__

    def _start(self, place: Place, *, told: bool = True) -> None:
        self._usage.start(place, told=told)
        self._changed()

    async def unload(self, reason: SamovarError) -> None:
        """Take it out of memory; work that runs ends with `reason`."""
        if self.usable:
            self._end_soon(reason)
        await self.gone.wait()

    async def _live(self) -> None:
        """Load, then wait for an end that nobody asked for."""
        try:
            await self._engine.start()
            self._to("loading")
            loaded = await self._engine.load(self._options, self._advance)
        except SamovarError as error:
            if self.usable:
                await self._fail(error)
            return
        self._runtime = loaded.runtime
        self._progress = 1.0
        self._loaded_at, self._served_from = time.time(), time.monotonic()
        self._tally.loads += 1
        self._to("ready")
        self._ready.set_result(None)
        self._arm()
        end = await self._engine.ended()
        if self.usable:
            await self._fail(end)

    async def _fail(self, error: SamovarError) -> None:
        self.failure = error
        if self._served_from is None:
            self._tally.load_failures += 1
        else:
            self._tally.crashes += 1
        self._disarm()
        self._to("failed")
        try:
            await self._engine.close(error)
        finally:
            if not self._ready.done():
                self._ready.set_exception(error)
            self._on_end(self)
            self.gone.set()

    def _end_soon(self, reason: SamovarError) -> None:
        """Begin to unload now; from here on nobody gets this instance any more."""
        self._disarm()
        if self.state == "ready":
            self._tally.unloads += 1
        self._to("unloading")
        if not self._ready.done():
            self._ready.set_exception(reason)
        self._life.cancel()  # here and not in the task: it may be about to wake up and call itself loaded
        self._ending = asyncio.create_task(self._end(reason))

    async def _end(self, reason: SamovarError) -> None:
        await asyncio.wait([self._life])
        try:
            await self._engine.close(reason)
        finally:  # whoever waits for the end must not wait for ever
            self._to("stopped")
            self._on_end(self)
            self.gone.set()

    def keep_for(self, ttl_seconds: float | None) -> None:
        """Unload it after so long without use, from now on; None never."""
        self._ttl_seconds = ttl_seconds
        self._arm()

    def _arm(self) -> None:
        """Count the idle time from now, where there is any."""
        self._disarm()
        if self._ttl_seconds is not None and self.state == "ready" and not self._users:
            self._timer = asyncio.get_running_loop().call_later(self._ttl_seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._end_soon(SamovarError(FailureCode.CANCELLED, f"'{self.identifier}' was unloaded: nobody used it."))

    def _advance(self, progress: float) -> None:
        self._progress = progress
        for listener in tuple(self._listeners):
            listener(progress)
        if self._announcement is None:
            wait = max(0.0, self._announced + _PROGRESS_SECONDS - time.monotonic())
            self._announcement = asyncio.get_running_loop().call_later(wait, self._changed)

    def _to(self, state: InstanceState) -> None:
        self._lifecycle.to(state)
        self._changed()

    def _changed(self) -> None:
        self._announced = time.monotonic()
        if self._announcement is not None:
            self._announcement.cancel()
            self._announcement = None
        self._events.publish(InstanceChanged(instance=self.info))


def _complete(place: Place) -> float:
    """The request has its reply; how long that took."""
    place.outcome = "ok"
    return time.monotonic() - place.entered


def _outcome(place: Place) -> Outcome:
    """How a request ended, in the moment when it does."""
    if place.outcome is not None:
        return place.outcome
    return "failed" if isinstance(sys.exception(), SamovarError) else "cancelled"  # where loading failed
