"""The Linux backend on a private session bus, in this process, read and clicked as a panel does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from dbus_fast.aio import MessageBus

from samovar.tray.backends import NoTray, dbus, pystray_base
from samovar.tray.backends.dbus import TRAY_NAME, Icon, session_bus
from samovar.tray.icons import picture
from samovar.tray.menu import Item, Quit, Toggle, View
from tests.samovar.tray.desktop import ITEM, MENU, FakeWatcher, Panel, PrivateBus, Signals, eventually

MODELS = Item("models", "Models", children=(Item("model:a", "a_b", checked=False, action=Toggle("a")),))
VIEW = View(
    mood="idle",
    offline=False,
    title="Samovar · no model loaded",
    menu=(Item("status", "Samovar 0.1.0"), Item("line", separator=True), MODELS, Item("quit", "Quit", action=Quit())),
)


class Program:
    """What the backend runs. - clicked: ids, in order. - show: draws a view."""

    def __init__(self) -> None:
        self.clicked: list[str] = []
        self.show: Callable[[View], None]
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def run(self, show: Callable[[View], None]) -> None:
        self.show = show
        show(VIEW)
        await self.end.wait()
        if self.error is not None:
            raise self.error

    def click(self, item_id: str) -> None:
        self.clicked.append(item_id)


@pytest.fixture
def address(bus: PrivateBus, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    return bus.address


@pytest.fixture
async def panel(address: str) -> AsyncIterator[Panel]:
    async with Panel(address) as panel:
        yield panel


@pytest.fixture
async def program(panel: Panel) -> AsyncIterator[Program]:
    program = Program()
    task = asyncio.create_task(dbus._run(program))
    await panel.until(lambda menu: menu.find("Quit"))
    yield program
    program.end.set()
    assert await asyncio.wait_for(task, 5) == 0


async def test_the_menu_is_exported(program: Program, panel: Panel) -> None:
    menu = await panel.menu()
    assert menu.labels() == ["Samovar 0.1.0", "Models", "Quit"]
    model = menu.find("Models", "a_b")
    assert model is not None
    assert (model.enabled, model.checked) == (True, False)
    assert menu.children[1].properties == {"type": "separator"}


async def test_the_icon_is_exported(program: Program, panel: Panel) -> None:
    assert await panel.property("Id") == "samovar"
    assert await panel.property("Title") == "Samovar · no model loaded"
    assert (await panel.property("ToolTip"))[2] == "Samovar · no model loaded"
    assert await panel.property("ItemIsMenu") is True
    assert await panel.property("Menu") == "/MenuBar"
    for width, height, pixels in await panel.property("IconPixmap"):
        assert (width, len(pixels)) == (height, width * height * 4)
    largest = (await panel.property("IconPixmap"))[-1]
    middle = (largest[0] * largest[0] // 2 + largest[0] // 2) * 4
    alpha, red, _, blue = largest[2][middle : middle + 4]
    assert alpha == 255
    assert red > blue  # brass; the other byte order would be blue


async def test_a_click_reaches_the_program(program: Program, panel: Panel) -> None:
    await panel.click("Models", "a_b")
    quit_ = (await panel.menu()).find("Quit")
    assert quit_ is not None
    await panel.call(MENU, "Event", "isvu", quit_.number, "clicked", ("i", 0), 0)
    assert program.clicked == ["model:a", "quit"]


async def test_what_is_no_click_does_nothing(program: Program, panel: Panel) -> None:
    menu = await panel.menu()
    status, models = menu.find("Samovar"), menu.find("Models")
    assert status is not None
    assert models is not None
    for number, event in ((status.number, "clicked"), (models.number, "opened"), (models.number, "hovered")):
        await panel.call(MENU, "Event", "isvu", number, event, ("i", 0), 0)
    assert program.clicked == []


async def test_unknown_numbers_are_refused(program: Program, panel: Panel) -> None:
    event = (999, "clicked", ("i", 0), 0)
    with pytest.raises(RuntimeError, match="InvalidArgs"):
        await panel.call(MENU, "Event", "isvu", *event)
    with pytest.raises(RuntimeError, match="InvalidArgs"):
        await panel.call(MENU, "EventGroup", "a(isvu)", [event])
    with pytest.raises(RuntimeError, match="InvalidArgs"):
        await panel.call(MENU, "GetLayout", "iias", 999, -1, [])
    with pytest.raises(RuntimeError, match="InvalidArgs"):
        await panel.call(MENU, "AboutToShow", "i", 999)
    quit_ = (await panel.menu()).find("Quit")
    assert quit_ is not None
    some = await panel.call(MENU, "EventGroup", "a(isvu)", [event, (quit_.number, "clicked", ("i", 0), 0)])
    assert some == ([999],)
    assert program.clicked == ["quit"]


async def test_panels_may_ask_in_every_way(program: Program, panel: Panel) -> None:
    menu = await panel.menu()
    models = menu.find("Models")
    assert models is not None
    _, (number, _, children) = await panel.call(MENU, "GetLayout", "iias", 0, 1, ["label"])
    assert number == 0
    assert all(not below and set(properties) <= {"label"} for _, (_, properties, below) in children)
    assert (await panel.call(MENU, "GetProperty", "is", models.number, "label")) == (("s", "Models"),)
    with pytest.raises(RuntimeError, match="InvalidArgs"):
        await panel.call(MENU, "GetProperty", "is", models.number, "icon-data")
    (group,) = await panel.call(MENU, "GetGroupProperties", "aias", [models.number, 999], ["label"])
    assert group == [(models.number, {"label": ("s", "Models")})]
    (everything,) = await panel.call(MENU, "GetGroupProperties", "aias", [], [])
    assert len(everything) == 6
    assert await panel.call(MENU, "AboutToShow", "i", 0) == (False,)
    assert await panel.call(MENU, "AboutToShowGroup", "ai", [0, 999]) == ([], [999])
    assert await panel.property("Version", MENU) == 3


async def test_an_open_menu_changes_in_place(program: Program, panel: Panel, address: str) -> None:
    before = (await panel.menu()).find("Models", "a_b")
    assert before is not None
    loaded = Item("models", "Models", children=(Item("model:a", "a_b", checked=True, action=Toggle("a")),))
    async with Signals(address) as signals:
        program.show(replace(VIEW, menu=(VIEW.menu[0], VIEW.menu[1], loaded, VIEW.menu[3])))
        after = (await panel.until(lambda menu: menu.find("Models", "a_b").checked)).find("Models", "a_b")  # type: ignore[union-attr]
        assert after is not None
        assert after.number == before.number
        await eventually(
            lambda: ("ItemsPropertiesUpdated", ([(before.number, {"toggle-state": ("i", 1)})], [])) in signals.heard
        )
        assert not [name for name, _ in signals.heard if name == "NewIcon"]  # the picture is the same
        # A new layout would make the panel close the menu.
        assert not [name for name, _ in signals.heard if name == "LayoutUpdated"]


async def test_new_lines_are_announced_with_a_new_revision(program: Program, panel: Panel, address: str) -> None:
    revision, _ = await panel.call(MENU, "GetLayout", "iias", 0, -1, [])
    async with Signals(address) as signals:
        program.show(replace(VIEW, menu=(Item("problem-0", "It failed."), *VIEW.menu)))
        await panel.until(lambda menu: menu.labels()[0] == "It failed.")
        await eventually(lambda: ("LayoutUpdated", (revision + 1, 0)) in signals.heard)


async def test_picture_and_tooltip_change(program: Program, panel: Panel, address: str) -> None:
    before = await panel.property("IconPixmap")
    async with Signals(address) as signals:
        program.show(replace(VIEW, mood="loaded", title="Samovar · a_b"))
        await eventually(lambda: {"NewIcon", "NewTitle", "NewToolTip"} <= {name for name, _ in signals.heard})
    assert await panel.property("IconPixmap") != before
    assert await panel.property("Title") == "Samovar · a_b"


async def test_a_left_click_chooses_the_default_item(panel: Panel, address: str) -> None:
    chosen: list[str] = []
    menu = pystray_base.Menu(pystray_base.MenuItem("Open", lambda: chosen.append("open"), default=True))
    connection = await MessageBus(bus_address=address).connect()
    await connection.request_name(TRAY_NAME)
    icon = Icon("samovar", picture("idle", False), "Samovar", menu)
    await icon.open(connection)
    assert await panel.property("ItemIsMenu") is False
    await panel.call(ITEM, "Activate", "ii", 0, 0)
    assert chosen == ["open"]
    icon.close()
    with pytest.raises(RuntimeError, match="UnknownObject"):
        await panel.property("Id")
    connection.disconnect()


async def test_other_clicks_do_nothing(program: Program, panel: Panel) -> None:
    for method, signature, body in (
        ("Activate", "ii", (0, 0)),
        ("SecondaryActivate", "ii", (0, 0)),
        ("ContextMenu", "ii", (0, 0)),
        ("Scroll", "is", (1, "vertical")),
    ):
        await panel.call(ITEM, method, signature, *body)
    assert program.clicked == []


async def test_it_registers_with_a_panel_that_is_there_first(panel: Panel, address: str) -> None:
    async with FakeWatcher(address) as watcher:
        program = Program()
        task = asyncio.create_task(dbus._run(program))
        await eventually(lambda: watcher.registered)
        program.end.set()
        await task
    assert len(watcher.registered) == 1


async def test_it_registers_again_with_every_new_panel(program: Program, address: str) -> None:
    for _ in range(3):
        async with FakeWatcher(address) as watcher:
            await eventually(lambda: watcher.registered)
            assert watcher.registered[0].startswith(":")
        assert len(watcher.registered) == 1


async def test_a_second_tray_leaves_at_once(program: Program, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    assert await dbus._run(Program()) == 0
    assert "already" in capsys.readouterr().err
    assert (await panel.menu()).find("Quit")


async def test_a_signal_ends_it(panel: Panel) -> None:
    task = asyncio.create_task(dbus._run(Program()))
    await panel.until(lambda menu: menu.find("Quit"))
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(task, 5) == 0
    await eventually_gone(panel)


async def test_the_end_of_the_session_ends_it(panel: Panel, bus: PrivateBus) -> None:
    task = asyncio.create_task(dbus._run(Program()))
    await panel.until(lambda menu: menu.find("Quit"))
    bus.stop()
    assert await asyncio.wait_for(task, 5) == 0


async def test_a_program_that_fails_is_not_hidden(panel: Panel) -> None:
    program = Program()
    task = asyncio.create_task(dbus._run(program))
    await panel.until(lambda menu: menu.find("Quit"))
    program.error = ZeroDivisionError("a defect")
    program.end.set()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(task, 5)
    await eventually_gone(panel)


async def test_a_bus_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    with pytest.raises(NoTray, match="does not answer"):
        await dbus._run(Program())


def test_the_bus_is_found_without_the_variable(bus: PrivateBus) -> None:
    folder = bus.address.removeprefix("unix:path=").removesuffix("/bus")
    assert session_bus({"XDG_RUNTIME_DIR": folder}) == bus.address
    assert session_bus({"XDG_RUNTIME_DIR": "/nowhere"}) is None
    assert session_bus({}) is None
    assert session_bus({"DBUS_SESSION_BUS_ADDRESS": "unix:abstract=x"}) == "unix:abstract=x"


async def eventually_gone(panel: Panel) -> None:
    async with asyncio.timeout(5):
        while await panel.there():
            await asyncio.sleep(0.01)
