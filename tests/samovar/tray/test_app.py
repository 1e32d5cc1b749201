from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

import samovar
from samovar.tray import app
from samovar.tray.app import Tray
from samovar.tray.menu import View
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import AnyEvent, InstanceChanged, LibraryChanged, NetworkChanged
from samovar_protocol.replies import DownloadLsReply, LsReply, StatusReply
from samovar_protocol.requests import ConfigSet, Down, DownloadLs, DownloadPause, Load, Ls, Status, Unload
from samovar_protocol.values import DownloadInfo, InstanceInfo, ModelInfo, NetworkInfo
from samovar_protocol.wire import EventMessage
from tests.samovar.tray.desktop import eventually
from tests.samovar.tray.values import instance, message, model, status

KEY = model().key
ITEM = f"model:{KEY}"


class FakeAgent:
    """An agent that says what a test wants it to say. - asked: every request, in order."""

    def __init__(self) -> None:
        self.running = True
        self.models: list[ModelInfo] = [model()]
        self.instances: list[InstanceInfo] = []
        self.downloads: list[DownloadInfo] = []
        self.sequence = 0
        self.asked: list[object] = []
        self.failure: SamovarError | None = None
        self.hold_load = asyncio.Event()
        self.hold_load.set()
        self.before_status: Callable[[], None] = lambda: None
        self._listeners: list[asyncio.Queue[EventMessage | None]] = []

    def client(self) -> samovar.Client:
        return cast(samovar.Client, FakeClient(self))

    def tell(self, event: AnyEvent, *, lose: bool = False) -> None:
        self.sequence += 1
        if not lose:
            for listener in self._listeners:
                listener.put_nowait(message(self.sequence, event))

    def die(self) -> None:
        self.running = False
        for listener in self._listeners:
            listener.put_nowait(None)

    def status(self) -> StatusReply:
        self.before_status()
        return status(self.sequence, *self.instances)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[EventMessage]]:
        queue: asyncio.Queue[EventMessage | None] = asyncio.Queue()
        self._listeners.append(queue)

        async def messages() -> AsyncIterator[EventMessage]:
            while (one := await queue.get()) is not None:
                yield one

        try:
            yield messages()
        finally:
            self._listeners.remove(queue)


class FakeClient:
    def __init__(self, agent: FakeAgent) -> None:
        self._agent = agent

    async def __aenter__(self) -> FakeClient:
        if not self._agent.running:
            raise self._agent.failure or SamovarError(FailureCode.AGENT_NOT_RUNNING, "No Samovar agent is running.")
        return self

    async def __aexit__(self, *arguments: object) -> None:
        pass

    def events(self) -> Any:
        return self._agent.listening()

    async def call(self, request: object) -> Any:
        await asyncio.sleep(0)
        match request:
            case Status():
                return self._agent.status()
            case Ls():
                return LsReply(models=self._agent.models)
            case DownloadLs():
                return DownloadLsReply(downloads=self._agent.downloads)
        self._agent.asked.append(request)
        if self._agent.failure is not None:
            raise self._agent.failure
        return None

    @asynccontextmanager
    async def stream(self, request: object) -> AsyncIterator[AsyncIterator[object]]:
        self._agent.asked.append(request)

        async def nothing() -> AsyncIterator[object]:
            await self._agent.hold_load.wait()
            if self._agent.failure is not None:
                raise self._agent.failure
            for progress in list[object]():
                yield progress

        yield nothing()


class Screen:
    """Shows the tray. - views: everything that was drawn."""

    def __init__(self, agent: FakeAgent, start_agent: Callable[[], object] = lambda: None) -> None:
        self.views: list[View] = []
        self.tray = Tray(agent.client, start_agent)

    async def __aenter__(self) -> Screen:
        self.task = asyncio.create_task(self.tray.run(self.views.append))
        await eventually(lambda: self.views)
        return self

    async def __aexit__(self, *arguments: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def view(self) -> View:
        return self.views[-1]

    def label(self, item_id: str) -> str:
        item = self.view.find(item_id)
        return item.label if item else ""

    def checked(self, item_id: str) -> bool | None:
        item = self.view.find(item_id)
        return item.checked if item else None

    async def connected(self) -> Screen:
        await eventually(lambda: self.view.find("models"))
        return self


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(app, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent()


async def test_the_first_view_comes_at_once_and_then_the_agents(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        assert screen.views[0].mood == "stopped"
        await screen.connected()
        assert screen.label("status") == "Samovar 0.1.0 · 127.0.0.1:7266"


async def test_nothing_is_drawn_again_while_nothing_changes(agent: FakeAgent) -> None:
    agent.instances = [instance("ready")]
    async with Screen(agent) as screen:
        await screen.connected()
        drawn = len(screen.views)
        for active in range(5):
            agent.tell(InstanceChanged(instance=instance("ready", active=active)))
        agent.tell(InstanceChanged(instance=instance("unloading")))
        await eventually(lambda: "unloading" in screen.label(ITEM))
        assert len(screen.views) == drawn + 1


async def test_an_event_before_the_status_is_not_applied_twice(agent: FakeAgent) -> None:
    # The status already knows that the model is gone; the event that says it is loading is older.
    def change() -> None:
        agent.before_status = lambda: None
        agent.tell(InstanceChanged(instance=instance("loading")))
        agent.tell(InstanceChanged(instance=instance("stopped")))

    agent.before_status = change
    async with Screen(agent) as screen:
        await screen.connected()
        agent.tell(NetworkChanged(network=NetworkInfo(policy="offline", connected=True)))
        await eventually(lambda: screen.view.offline)
        assert not any("loading" in (view.find(ITEM) or view.menu[0]).label for view in screen.views)


async def test_after_a_lost_event_the_agent_is_asked_again(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        await screen.connected()
        agent.instances = [instance("ready")]
        agent.tell(InstanceChanged(instance=instance("ready")), lose=True)
        agent.tell(LibraryChanged(models=1))
        await eventually(lambda: screen.checked(ITEM))


async def test_a_changed_library_is_listed_again(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        await screen.connected()
        agent.models.append(model("other/new-one"))
        agent.tell(LibraryChanged(models=2))
        await eventually(lambda: screen.view.find("model:other/new-one"))


async def test_a_click_loads_and_another_unloads(agent: FakeAgent) -> None:
    agent.hold_load.clear()
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        await eventually(lambda: "loading" in screen.label(ITEM))
        agent.tell(InstanceChanged(instance=instance("loading", progress=0.42)))
        await eventually(lambda: "loading 42 %" in screen.label(ITEM))
        assert screen.view.mood == "busy"
        agent.tell(InstanceChanged(instance=instance("ready")))
        agent.hold_load.set()
        await eventually(lambda: screen.checked(ITEM) and screen.view.mood == "loaded")
        screen.tray.click(ITEM)
        await eventually(lambda: len(agent.asked) == 2)
    assert agent.asked == [Load(name=KEY), Unload(name=KEY)]


async def test_a_double_click_loads_once(agent: FakeAgent) -> None:
    agent.hold_load.clear()
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        await eventually(lambda: "loading" in screen.label(ITEM))
        screen.tray.click(ITEM)
        agent.hold_load.set()
        await eventually(lambda: screen.view.mood == "idle")
    assert agent.asked == [Load(name=KEY)]


async def test_unloading_while_it_loads_is_no_problem_to_show(agent: FakeAgent) -> None:
    agent.hold_load.clear()
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        agent.tell(InstanceChanged(instance=instance("loading", identifier="mine")))
        await eventually(lambda: "loading 0 %" in screen.label(ITEM))
        screen.tray.click(ITEM)
        await eventually(lambda: Unload(name="mine") in agent.asked)
        agent.failure = SamovarError(FailureCode.CANCELLED, "Loading was cancelled.")
        agent.tell(InstanceChanged(instance=instance("stopped", identifier="mine")))
        agent.hold_load.set()
        await eventually(lambda: screen.view.mood == "idle")
        assert not any(view.find("problem-0") for view in screen.views)


async def test_a_model_that_somebody_else_unloaded_first_is_no_problem(agent: FakeAgent) -> None:
    agent.instances = [instance("ready")]
    agent.failure = SamovarError(FailureCode.MODEL_UNKNOWN, "It is not in memory.")
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        await eventually(lambda: agent.asked)
        agent.tell(InstanceChanged(instance=instance("stopped")))
        await eventually(lambda: screen.view.mood == "idle")
        assert not any(view.find("problem-0") for view in screen.views)


async def test_a_failed_action_is_shown_until_one_works(agent: FakeAgent) -> None:
    agent.failure = SamovarError(FailureCode.NOT_ENOUGH_MEMORY, "It needs 5 GB and 1 GB is free.", hint="Unload one.")
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        await eventually(lambda: screen.view.find("problem-0"))
        assert screen.label("problem-0") == "It needs 5 GB and 1 GB is free. Unload one."
        assert screen.view.mood == "error"
        agent.failure = None
        screen.tray.click("offline")
        await eventually(lambda: not screen.view.find("problem-0") and screen.view.mood == "idle")


async def test_work_offline_sets_the_policy(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        await screen.connected()
        agent.tell(NetworkChanged(network=NetworkInfo(policy="ask", connected=True)))
        screen.tray.click("offline")
        await eventually(lambda: agent.asked)
        agent.tell(NetworkChanged(network=NetworkInfo(policy="offline", connected=True)))
        await eventually(lambda: screen.checked("offline"))
        screen.tray.click("offline")
        await eventually(lambda: len(agent.asked) == 2)
    assert agent.asked == [
        ConfigSet(key="network.policy", value="offline"),
        ConfigSet(key="network.policy", value="ask"),
    ]


async def test_a_download_that_runs_already_can_be_paused(agent: FakeAgent) -> None:
    agent.downloads = [DownloadInfo(id=4, name="a", state="running")]
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click("download:4")
        await eventually(lambda: agent.asked == [DownloadPause(id=4)])


async def test_it_follows_the_agent_through_its_death(agent: FakeAgent) -> None:
    agent.instances = [instance("ready")]
    async with Screen(agent) as screen:
        await screen.connected()
        agent.die()
        await eventually(lambda: screen.label("status") == "Samovar is not running")
        assert screen.view.mood == "stopped"
        agent.running, agent.instances, agent.sequence = True, [], 0
        await screen.connected()
        assert screen.checked(ITEM) is False


async def test_a_load_that_dies_with_the_agent_says_nothing_more(agent: FakeAgent) -> None:
    agent.hold_load.clear()
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click(ITEM)
        await eventually(lambda: agent.asked)
        agent.failure = SamovarError(FailureCode.AGENT_NOT_RUNNING, "The agent went away.")
        agent.die()
        agent.hold_load.set()
        await eventually(lambda: screen.label("status") == "Samovar is not running")
        assert screen.view.mood == "stopped"


async def test_an_agent_of_another_major_version_is_named(agent: FakeAgent) -> None:
    agent.running = False
    agent.failure = SamovarError(FailureCode.UNSUPPORTED_VERSION, "The agent speaks version 2.", hint="Update.")
    async with Screen(agent) as screen:
        await eventually(lambda: screen.view.find("problem-0"))
        assert screen.label("problem-0") == "The agent speaks version 2. Update."
        drawn = len(screen.views)
        await asyncio.sleep(0.2)  # many attempts later
        assert len(screen.views) == drawn


async def test_start_starts_the_agent(agent: FakeAgent) -> None:
    agent.running = False

    def start() -> None:
        agent.running = True

    async with Screen(agent, start) as screen:
        screen.tray.click("start")
        await screen.connected()
        assert any(view.find("status").label == "Samovar is starting" for view in screen.views)  # type: ignore[union-attr]


async def test_a_start_that_fails_says_why_and_can_be_tried_again(agent: FakeAgent) -> None:
    agent.running = False

    def start() -> None:
        raise SamovarError(FailureCode.AGENT_START_FAILED, "The agent ended at once.")

    async with Screen(agent, start) as screen:
        screen.tray.click("start")
        await eventually(lambda: screen.view.find("problem-0"))
        item = screen.view.find("start")
        assert item is not None
        assert item.enabled


async def test_quit_stops_the_agent_and_the_tray(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click("quit")
        await asyncio.wait_for(screen.task, 5)
    assert agent.asked == [Down()]


async def test_quit_without_an_agent_ends_the_tray(agent: FakeAgent) -> None:
    agent.running = False
    async with Screen(agent) as screen:
        screen.tray.click("quit")
        await asyncio.wait_for(screen.task, 5)


async def test_an_agent_that_refuses_to_stop_keeps_its_tray(agent: FakeAgent) -> None:
    agent.failure = SamovarError(FailureCode.INTERNAL, "The disk is full.")
    async with Screen(agent) as screen:
        await screen.connected()
        screen.tray.click("quit")
        await eventually(lambda: screen.view.find("problem-0"))
        assert not screen.task.done()


async def test_a_defect_ends_the_tray_where_it_can_be_seen(agent: FakeAgent) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a defect")

    agent.before_status = fail
    async with Screen(agent) as screen:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(screen.task, 5)


async def test_a_click_on_what_is_gone_or_only_says_something_does_nothing(agent: FakeAgent) -> None:
    async with Screen(agent) as screen:
        await screen.connected()
        for item_id in ("status", "models", "model:gone", "after-status"):
            screen.tray.click(item_id)
        await asyncio.sleep(0)
    assert agent.asked == []
