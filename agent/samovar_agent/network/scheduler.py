"""What is done now and then when there is a network: refreshing the catalog, looking for updates.

    scheduler = Scheduler(gate, store, events)
    scheduler.add("catalog-refresh", lambda: settings.current.network.refresh_hours * 3600, catalog.refresh_quietly)
    scheduler.start()

Work runs only while the policy is "online" and the machine is connected. It is spread by chance, so that machines
that were switched on together do not all ask at once, and after failures it is tried less and less often.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from samovar_agent.events import EventBus
from samovar_agent.network.gate import Gate
from samovar_agent.store.schedule import ScheduleRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import AnyEvent, NetworkChanged, SettingChanged
from samovar_protocol.values import NetworkInfo

_RETRY_SECONDS = 300.0
"""After the first failure; it doubles with each further one, up to the usual interval."""

_SPREAD = 0.2
"""Part of an interval by which chance may lengthen it."""

_SETTLE_SECONDS = 30.0
"""At most so long after the agent's start or a new connection: other things are more urgent then."""

_LOOK_SECONDS = 60.0
"""The clock is looked at so often: it may be set, and stands still for timers while a laptop sleeps."""

_log = logging.getLogger(__name__)


def due_at(row: ScheduleRow, every: float, now: float, chance: float) -> float | None:
    """When something is to be done next, in Unix seconds; None for never.

    - row: what is known of the last time. - every: seconds from success to success; 0 or less for never.
    - now: Unix seconds. What was done in the future was done by a wrong clock, and counts as never done.
    - chance: 0 to 1; the same until the next attempt.
    """
    if every <= 0:
        return None
    attempted, succeeded = row.attempted_at, row.succeeded_at
    if row.failures > 0 and attempted is not None and attempted <= now:
        # 2 ** 1100 is more than a float holds.
        wait = min(_RETRY_SECONDS * 2.0 ** min(row.failures - 1, 40), every)
        return attempted + wait * (1 + _SPREAD * chance)
    if row.failures == 0 and succeeded is not None and succeeded <= now:
        return succeeded + every * (1 + _SPREAD * chance)
    return now


def may_run(network: NetworkInfo) -> bool:
    """Whether what nobody asked for may leave the machine."""
    return network.connected and network.policy == "online"


@dataclass
class _Job:
    name: str
    every: Callable[[], float]
    work: Callable[[], Awaitable[None]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    row: ScheduleRow | None = None
    task: asyncio.Task[None] | None = None


class Scheduler:
    """Keeps time for all of it.

    - gate: says whether there is a network and what the policy is. - store: remembers over restarts.
    - events: a network that comes, or a changed setting, is noticed at once.
    - clock, chance, settle_seconds, look_seconds: for tests.
    """

    def __init__(
        self,
        gate: Gate,
        store: Store,
        events: EventBus,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        settle_seconds: float = _SETTLE_SECONDS,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._gate = gate
        self._schedule = store.schedule
        self._events = events
        self._clock = clock
        self._chance = chance
        self._settle_seconds = settle_seconds
        self._look_seconds = look_seconds
        self._jobs: dict[str, _Job] = {}
        self._unsubscribe: Callable[[], None] | None = None

    def add(self, name: str, every: Callable[[], float], work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again and again; before `start`.

        - name: under which the last time is remembered. - every: seconds between successes, asked each time; 0 never.
        - work: raises where it failed. Only one of it runs at a time.
        """
        assert self._unsubscribe is None, "before start"
        self._jobs[name] = _Job(name, every, work)

    def start(self) -> None:
        """Begin; returns at once, and waits for nothing."""
        self._unsubscribe = self._events.subscribe(self._notice)
        for job in self._jobs.values():
            job.task = asyncio.create_task(self._keep(job), name=f"scheduler: {job.name}")

    async def stop(self) -> None:
        """End it all, also work that is running."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, job: _Job) -> None:
        chance = self._chance()
        await asyncio.sleep(self._settle_seconds * chance)
        while True:
            job.wake.clear()
            wait = await self._step(job, chance)
            if wait is None:
                chance = self._chance()
                await asyncio.sleep(self._look_seconds)  # never in a tight loop, whatever the clock says
            elif await _woken(job.wake, wait):
                await asyncio.sleep(self._settle_seconds * self._chance())

    async def _step(self, job: _Job, chance: float) -> float | None:
        """Run the job if it is due; returns how many seconds to wait until the next look, None where it ran."""
        try:
            job.row = job.row or await self._schedule.get(job.name)
            due = due_at(job.row, job.every(), now := self._clock(), chance)
            if due is None or not may_run(self._gate.info()):
                return self._look_seconds
            if due > now:
                return min(self._look_seconds, due - now)
            await self._run(job)
        except SamovarError as error:  # the store's; what is done now and then can wait
            _log.warning("the schedule of %s cannot be kept: %s", job.name, error)
        return None

    async def _run(self, job: _Job) -> None:
        assert job.row is not None
        started = self._clock()
        try:
            await job.work()
        except SamovarError as error:
            if error.code == FailureCode.NETWORK_OFFLINE:
                return  # a person pulled the plug, which says nothing about the other side
            _log.info("%s failed: %s", job.name, error)
            row = msgspec.structs.replace(job.row, attempted_at=started, failures=job.row.failures + 1)
        except Exception:
            _log.exception("%s failed", job.name)
            row = msgspec.structs.replace(job.row, attempted_at=started, failures=job.row.failures + 1)
        else:
            row = ScheduleRow(name=job.name, attempted_at=started, succeeded_at=started)
        job.row = row  # also where it cannot be written down
        await self._schedule.put(row)

    def _notice(self, _sequence: int, _time: float, _cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, NetworkChanged | SettingChanged):
            for job in self._jobs.values():
                job.wake.set()


async def _woken(wake: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    return True
