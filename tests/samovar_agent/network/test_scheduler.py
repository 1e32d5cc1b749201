"""What is done now and then: when, how often after failures, and never without a network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from samovar_agent.network.scheduler import Scheduler, due_at, may_run
from samovar_agent.network.watcher import Watcher
from samovar_agent.store.schedule import ScheduleRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import NetworkInfo
from tests.samovar_agent.network.conftest import Network

DAY = 86_400.0
NOW = 1_800_000_000.0


def row(succeeded: float | None = None, attempted: float | None = None, failures: int = 0) -> ScheduleRow:
    return ScheduleRow(
        name="x", succeeded_at=succeeded, attempted_at=succeeded if attempted is None else attempted, failures=failures
    )


@pytest.mark.parametrize(
    ("known", "every", "chance", "due"),
    [
        (row(), DAY, 0.5, NOW),
        (row(), 0, 0.5, None),
        (row(NOW - 2 * DAY), 0, 0.5, None),
        (row(NOW - 2 * DAY), -1, 0.5, None),
        (row(NOW - 100), DAY, 0.0, NOW - 100 + DAY),
        (row(NOW - 100), DAY, 1.0, NOW - 100 + 1.2 * DAY),
        (row(NOW - 2 * DAY), DAY, 0.0, NOW - DAY),
        (row(NOW - DAY, NOW - 10, 1), DAY, 0.0, NOW - 10 + 300),
        (row(NOW - DAY, NOW - 10, 1), DAY, 1.0, NOW - 10 + 360),
        (row(NOW - DAY, NOW - 10, 2), DAY, 0.0, NOW - 10 + 600),
        (row(NOW - DAY, NOW - 10, 5), DAY, 0.0, NOW - 10 + 4800),
        (row(None, NOW - 10, 20), DAY, 0.0, NOW - 10 + DAY),
        (row(None, NOW - 10, 1_000_000), DAY, 0.0, NOW - 10 + DAY),
        (row(None, NOW - 10, 3), 60, 0.0, NOW - 10 + 60),
        # a clock that was set back: what was done in the future was not done
        (row(NOW + 100 * DAY), DAY, 0.5, NOW),
        (row(NOW - DAY, NOW + 100 * DAY, 3), DAY, 0.5, NOW),
        (row(NOW), DAY, 0.0, NOW + DAY),
    ],
)
def test_when_it_is_due(known: ScheduleRow, every: float, chance: float, due: float | None) -> None:
    assert due_at(known, every, NOW, chance) == due


@pytest.mark.parametrize(
    ("network", "runs"),
    [
        (NetworkInfo(policy="online", connected=True), True),
        (NetworkInfo(policy="online", connected=False), False),
        (NetworkInfo(policy="ask", connected=True), False),
        (NetworkInfo(policy="offline", connected=True), False),
    ],
)
def test_only_online_and_connected(network: NetworkInfo, runs: bool) -> None:
    assert may_run(network) is runs


class Work:
    """Counts, and fails on demand."""

    def __init__(self) -> None:
        self.runs = 0
        self.error: BaseException | None = None
        self.wait: asyncio.Event | None = None

    async def __call__(self) -> None:
        self.runs += 1
        if self.wait:
            await self.wait.wait()
        if self.error:
            raise self.error


class Clock:
    """The time of day, which tests set."""

    now = NOW

    def __call__(self) -> float:
        return self.now


class Setup:
    """A scheduler that looks a hundred times a second, over a real gate and store."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.work = Work()
        self.clock = Clock()
        self.every = DAY
        self.scheduler = self.make()

    def make(self, settle: float = 0.0) -> Scheduler:
        made = Scheduler(
            self.network.gate,
            self.network.store,
            self.network.events,
            clock=self.clock,
            chance=lambda: 0.0,
            settle_seconds=settle,
            look_seconds=0.01,
        )
        made.add("refresh", lambda: self.every, self.work)
        return made

    async def row(self) -> ScheduleRow:
        return await self.network.store.schedule.get("refresh")

    async def looks(self) -> None:
        """Long enough for many looks."""
        await asyncio.sleep(0.2)


@pytest_asyncio.fixture
async def setup(network: Network) -> AsyncIterator[Setup]:
    made = Setup(network)
    yield made
    await made.scheduler.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_it_runs_at_once_where_it_never_did_and_again_when_the_time_has_come(setup: Setup) -> None:
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    await setup.looks()
    assert setup.work.runs == 1
    assert await setup.row() == ScheduleRow(name="refresh", attempted_at=NOW, succeeded_at=NOW)
    setup.clock.now += DAY - 1
    await setup.looks()
    assert setup.work.runs == 1
    setup.clock.now += 1
    await until(lambda: setup.work.runs == 2)


async def test_starting_waits_for_nothing(setup: Setup) -> None:
    setup.work.wait = asyncio.Event()
    setup.scheduler.start()
    assert setup.work.runs == 0
    await until(lambda: setup.work.runs == 1)
    await asyncio.wait_for(setup.scheduler.stop(), 2)


async def test_the_last_time_outlives_the_process(setup: Setup, tmp_path: Path) -> None:
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    await setup.looks()
    await setup.scheduler.stop()
    again = setup.make()
    again.start()
    await setup.looks()
    await again.stop()
    assert setup.work.runs == 1


@pytest.mark.parametrize("error", [SamovarError(FailureCode.NETWORK_FAILED, "Dead."), KeyError("x"), TimeoutError()])
async def test_failures_are_tried_less_and_less_often(setup: Setup, error: Exception) -> None:
    setup.work.error = error
    setup.scheduler.start()
    for runs, wait in ((1, 300.0), (2, 600.0), (3, 1200.0)):
        await until(lambda: setup.work.runs == runs)  # noqa: B023
        await setup.looks()
        assert setup.work.runs == runs
        assert (await setup.row()).failures == runs
        setup.clock.now += wait
    setup.work.error = None
    await until(lambda: setup.work.runs == 4)
    await setup.looks()
    assert (await setup.row()).failures == 0


async def test_without_a_network_it_waits_and_begins_when_there_is_one(setup: Setup) -> None:
    setup.network.cable.plugged = False
    setup.scheduler.start()
    await setup.looks()
    assert setup.work.runs == 0
    assert (await setup.row()).attempted_at is None
    setup.network.cable.plugged = True
    setup.network.gate.refresh()
    await until(lambda: setup.work.runs == 1)


@pytest.mark.parametrize("policy", ["ask", "offline"])
async def test_only_the_policy_online_lets_it_run(setup: Setup, policy: str) -> None:
    setup.network.set_policy(policy)  # type: ignore[arg-type]
    setup.scheduler.start()
    await setup.looks()
    assert setup.work.runs == 0
    setup.network.set_policy("online")
    await until(lambda: setup.work.runs == 1)


async def test_a_connection_that_was_forbidden_meanwhile_is_no_failure(setup: Setup) -> None:
    setup.work.error = SamovarError(FailureCode.NETWORK_OFFLINE, "Forbidden.")
    setup.scheduler.start()
    await until(lambda: setup.work.runs >= 2)
    assert await setup.row() == ScheduleRow(name="refresh")
    runs = setup.work.runs
    await setup.looks()
    assert setup.work.runs - runs < 40, "never in a tight loop"


async def test_never_means_never_until_it_is_changed(setup: Setup) -> None:
    setup.every = 0
    setup.scheduler.start()
    await setup.looks()
    assert setup.work.runs == 0
    setup.every = DAY
    await until(lambda: setup.work.runs == 1)


async def test_a_clock_that_is_set_back_costs_one_run(setup: Setup) -> None:
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    setup.clock.now -= 400 * DAY
    await until(lambda: setup.work.runs == 2)
    await setup.looks()
    assert setup.work.runs == 2
    assert (await setup.row()).succeeded_at == NOW - 400 * DAY


async def test_a_clock_that_is_set_back_while_it_fails_does_not_stop_it(setup: Setup) -> None:
    setup.work.error = TimeoutError()
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    setup.clock.now -= 400 * DAY
    await until(lambda: setup.work.runs == 2)
    await setup.looks()
    assert setup.work.runs == 2


async def test_a_full_disk_does_not_make_it_run_all_the_time(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_row: ScheduleRow) -> None:
        raise SamovarError(FailureCode.DISK_FULL, "Full.")

    monkeypatch.setattr(setup.network.store.schedule, "put", full)
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    await setup.looks()
    assert setup.work.runs == 1


async def test_jobs_do_not_wait_for_each_other(setup: Setup) -> None:
    setup.work.wait = asyncio.Event()
    other = Work()
    setup.scheduler.add("other", lambda: DAY, other)
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1 and other.runs == 1)


async def test_a_wild_settings_change_does_not_make_it_run(setup: Setup) -> None:
    setup.scheduler.start()
    await until(lambda: setup.work.runs == 1)
    for _ in range(10):
        setup.network.set_policy("ask")
        setup.network.set_policy("online")
        await asyncio.sleep(0.01)
    assert setup.work.runs == 1


async def test_a_new_connection_may_settle_first(network: Network) -> None:
    made = Setup(network)
    scheduler = Scheduler(
        network.gate, network.store, network.events, clock=made.clock, chance=lambda: 1.0, settle_seconds=0.3
    )
    scheduler.add("refresh", lambda: DAY, made.work)
    started = time.monotonic()
    scheduler.start()
    await until(lambda: made.work.runs == 1)
    assert time.monotonic() - started > 0.29
    await scheduler.stop()


async def test_the_watcher_tells_when_the_network_goes_and_comes(network: Network) -> None:
    watcher = Watcher(network.gate, seconds=0.01)
    watcher.start()
    await asyncio.sleep(0.1)
    assert network.told == []
    network.cable.plugged = False
    await until(lambda: network.told == [NetworkInfo(policy="online", connected=False)])
    network.cable.plugged = True
    await until(lambda: network.told[1:] == [NetworkInfo(policy="online", connected=True)])
    await asyncio.sleep(0.1)
    assert len(network.told) == 2
    await watcher.stop()
    network.cable.plugged = False
    await asyncio.sleep(0.1)
    assert len(network.told) == 2


async def test_the_watcher_survives_what_the_system_throws(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def fail() -> bool:
        nonlocal looks
        looks += 1
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(network.cable, "connected", fail)
    watcher = Watcher(network.gate, seconds=0.01)
    watcher.start()
    await until(lambda: looks > 3)
    monkeypatch.setattr(network.cable, "connected", lambda: False)
    await until(lambda: network.told == [NetworkInfo(policy="online", connected=False)])
    await watcher.stop()


async def test_the_schedule_survives_a_store_that_is_opened_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    await store.schedule.put(row(NOW, NOW, 2))
    await store.close()
    store = await Store.open(tmp_path / "samovar.db")
    assert await store.schedule.get("x") == row(NOW, NOW, 2)
    await store.close()
