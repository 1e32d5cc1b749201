"""The gate: the policy decides, the journal remembers, and a change of mind holds at once."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from samovar_agent.network.gate import refusal
from samovar_agent.store import journal
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import NetworkChanged
from samovar_protocol.values import NetworkInfo, NetworkPolicy
from tests.samovar_agent.network.conftest import Network


@pytest.mark.parametrize(
    ("policy", "connected", "asked", "allowed"),
    [
        ("online", True, False, True),
        ("online", True, True, True),
        ("online", False, True, False),
        ("ask", True, True, True),
        ("ask", True, False, False),
        ("ask", False, True, False),
        ("offline", True, True, False),
        ("offline", True, False, False),
        ("offline", False, False, False),
    ],
)
def test_what_each_policy_allows(policy: NetworkPolicy, connected: bool, asked: bool, allowed: bool) -> None:
    reason = refusal(policy, connected=connected, asked=asked)
    assert (reason is None) is allowed
    if reason:
        assert reason.code == FailureCode.NETWORK_OFFLINE
        assert reason.hint


async def test_a_connection_is_written_down_before_and_after(network: Network) -> None:
    async with network.gate.connection("catalog", "one.example", "scheduler", asked=False, detail="list") as connection:
        row = await network.only_row()
        assert (row.purpose, row.host, row.requester, row.detail) == ("catalog", "one.example", "scheduler", "list")
        assert row.outcome is None
        connection.received(5)
        connection.received(7)
        connection.sent(3)
        connection.host = "two.example"
    row = await network.only_row()
    assert (row.outcome, row.host, row.bytes_received, row.bytes_sent) == ("ok", "two.example", 12, 3)


async def test_a_refusal_is_written_down_too(network: Network) -> None:
    network.set_policy("offline")
    with pytest.raises(SamovarError) as caught:
        async with network.gate.connection("model-download", "one.example", "samovar get", asked=True):
            pytest.fail("the block must not run")
    assert caught.value.code == FailureCode.NETWORK_OFFLINE
    assert "samovar network online" in caught.value.hint
    row = await network.only_row()
    assert (row.outcome, row.bytes_received, row.bytes_sent) == ("refused", 0, 0)


async def test_failures_keep_their_sentence(network: Network) -> None:
    with pytest.raises(SamovarError):
        async with network.gate.connection("catalog", "", "scheduler", asked=False) as connection:
            connection.received(1)
            raise SamovarError(FailureCode.NETWORK_FAILED, "The host is silent.", hint="Wait.")
    with pytest.raises(KeyError):
        async with network.gate.connection("catalog", "", "scheduler", asked=False):
            raise KeyError("x")
    newest, oldest = await network.store.journal.ls()
    assert (oldest.outcome, oldest.bytes_received) == ("failed: The host is silent.", 1)
    assert newest.outcome == "failed: KeyError: 'x'"


async def hold(network: Network, entered: asyncio.Event, *, asked: bool = True) -> None:
    async with network.gate.connection("model-download", "one.example", "samovar get", asked=asked) as connection:
        connection.received(9)
        entered.set()
        await asyncio.Event().wait()


async def opened(network: Network, *, asked: bool = True) -> asyncio.Task[None]:
    entered = asyncio.Event()
    task = asyncio.create_task(hold(network, entered, asked=asked))
    await asyncio.wait_for(entered.wait(), 10)
    return task


async def test_who_is_cancelled_leaves_a_row_that_says_so(network: Network) -> None:
    task = await opened(network)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await network.only_row()
    assert (row.outcome, row.bytes_received) == ("cancelled", 9)


async def test_who_is_cancelled_while_the_row_is_written_leaves_none_open(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def slow_clock() -> float:
        writing.set()
        assert go_on.wait(10)
        return time.time()

    monkeypatch.setattr(journal, "time", SimpleNamespace(time=slow_clock))
    task = asyncio.create_task(hold(network, asyncio.Event()))
    assert await asyncio.to_thread(writing.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    rows = await network.store.journal.ls()
    assert [row.outcome for row in rows] == ["cancelled"]


class TestFullDisk:
    """The end of a connection cannot be written down."""

    @pytest.fixture(autouse=True)
    def full(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        async def finish(*_: object, **__: object) -> None:
            raise SamovarError(FailureCode.DISK_FULL, "The disk is full.")

        monkeypatch.setattr(network.store.journal, "finish", finish)

    async def test_what_came_is_not_lost(self, network: Network) -> None:
        async with network.gate.connection("search", "one.example", "samovar search", asked=True):
            pass
        assert (await network.only_row()).outcome is None

    async def test_who_is_cancelled_still_is(self, network: Network) -> None:
        task = await opened(network)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_going_offline_cuts_what_is_open(network: Network) -> None:
    task = await opened(network)
    network.set_policy("offline")
    with pytest.raises(SamovarError) as caught:
        await asyncio.wait_for(task, 10)
    assert caught.value.code == FailureCode.NETWORK_OFFLINE
    assert task.cancelling() == 0, "the task may go on to do other things"
    row = await network.only_row()
    assert (row.outcome, row.bytes_received) == ("failed: Samovar is set to work offline.", 9)


async def test_the_policy_ask_cuts_only_what_nobody_asked_for(network: Network) -> None:
    asked, background = await opened(network, asked=True), await opened(network, asked=False)
    network.set_policy("ask")
    with pytest.raises(SamovarError):
        await asyncio.wait_for(background, 10)
    assert not asked.done()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)


async def test_a_cable_that_is_pulled_refuses_new_connections_and_leaves_open_ones(network: Network) -> None:
    task = await opened(network)
    network.cable.plugged = False
    with pytest.raises(SamovarError) as caught:
        async with network.gate.connection("catalog", "", "scheduler", asked=False):
            pytest.fail("the block must not run")
    assert "not connected" in caught.value.failure.message
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_changes_are_published_once(network: Network) -> None:
    network.gate.refresh()
    assert network.told == []
    network.cable.plugged = False
    network.gate.refresh()
    network.gate.refresh()
    assert network.told == [NetworkInfo(policy="online", connected=False)]

    network.set_policy("offline")
    network.events.publish(NetworkChanged(network=network.gate.info()))  # as whoever changes the setting may do
    await asyncio.sleep(0)
    assert network.told[1:] == [NetworkInfo(policy="offline", connected=False)]


async def test_info_is_policy_and_cable(network: Network) -> None:
    assert network.gate.info() == NetworkInfo(policy="online", connected=True)
    network.cable.plugged = False
    network.set_policy("ask")
    assert network.gate.info() == NetworkInfo(policy="ask", connected=False)
