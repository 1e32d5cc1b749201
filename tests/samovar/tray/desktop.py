"""A desktop for tests: a private session bus, a panel's eye and finger on it, and the panel's register."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from jeepney import DBusAddress, MatchRule, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.asyncio import DBusRouter, open_dbus_connection, open_dbus_router

TRAY = "io.github.samovar.Tray"
WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = DBusAddress("/StatusNotifierItem", bus_name=TRAY, interface="org.kde.StatusNotifierItem")
MENU = DBusAddress("/MenuBar", bus_name=TRAY, interface="com.canonical.dbusmenu")
PATIENCE = 20.0

_BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  {services}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


def require(**packages: str) -> None:
    """Skip where a program is missing, naming the package that has it; in CI that is a failure instead."""
    missing = [package for program, package in packages.items() if shutil.which(program.replace("_", "-")) is None]
    if not missing:
        return
    reason = f"missing: apt-get install {' '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class PrivateBus:
    """A session bus that nobody else is on. - services: let programs start the desktop's services over it."""

    def __init__(self, folder: Path, *, environ: dict[str, str] | None = None, services: bool = False) -> None:
        require(dbus_daemon="dbus")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "bus"
        configuration = folder / "bus.conf"
        wanted = "<standard_session_servicedirs/>" if services else ""
        configuration.write_text(_BUS_CONFIGURATION.format(socket=path, services=wanted))
        self.address = f"unix:path={path}"
        self._daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"],
            env=environ,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not _listens(path):
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dbus-daemon did not start (exit code {self._daemon.returncode})")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, as the end of a session does."""
        self._daemon.terminate()
        self._daemon.wait()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the menu as a panel sees it."""

    number: int
    label: str
    properties: dict[str, Any]
    children: tuple[Line, ...]

    @property
    def enabled(self) -> bool:
        return bool(self.properties.get("enabled", True))

    @property
    def checked(self) -> bool:
        return self.properties.get("toggle-type") == "checkmark" and self.properties.get("toggle-state") == 1

    def find(self, *path: str) -> Line | None:
        """The line whose label begins as given; further names descend into submenus."""
        for child in self.children:
            if child.label.startswith(path[0]):
                return child.find(*path[1:]) if path[1:] else child
        return None

    def labels(self) -> list[str]:
        """The first level, without separators."""
        return [child.label for child in self.children if child.properties.get("type") != "separator"]


class Panel:
    """Reads and clicks the exported menu as a panel does, through jeepney."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._context: Any = None
        self.router: DBusRouter

    async def __aenter__(self) -> Panel:
        self._context = open_dbus_router(bus=self._address)
        self.router = await self._context.__aenter__()
        return self

    async def __aexit__(self, *arguments: object) -> None:
        with contextlib.suppress(EOFError):  # the session may have ended before the panel
            await self._context.__aexit__(*arguments)

    async def call(self, address: DBusAddress, method: str, signature: str = "", *body: Any) -> tuple[Any, ...]:
        """Call a method; raises RuntimeError where the answer is an error."""
        message = new_method_call(address, method, signature or None, body)
        reply = await asyncio.wait_for(self.router.send_and_get_reply(message), PATIENCE)
        if reply.header.message_type.name == "error":
            raise RuntimeError(reply.header.fields.get(4), reply.body)
        return tuple(reply.body)

    async def property(self, name: str, address: DBusAddress = ITEM) -> Any:
        """A property of the icon, or of the menu."""
        properties = DBusAddress(address.object_path, TRAY, "org.freedesktop.DBus.Properties")
        return (await self.call(properties, "Get", "ss", address.interface, name))[0][1]

    async def menu(self) -> Line:
        """The whole menu."""
        _, root = await self.call(MENU, "GetLayout", "iias", 0, -1, [])
        return _line(root)

    async def click(self, *path: str) -> None:
        """Choose the line with this label, below the lines before it."""
        line = (await self.menu()).find(*path)
        assert line is not None, f"no line {path} in the menu"
        assert line.enabled, f"{path} is not enabled"
        await self.call(MENU, "EventGroup", "a(isvu)", [(line.number, "clicked", ("i", 0), 0)])

    async def until(self, condition: Callable[[Line], object], patience: float = PATIENCE) -> Line:
        """The menu as soon as the condition holds for it."""
        deadline = time.monotonic() + patience
        menu = None
        while time.monotonic() < deadline:
            if await self.there():
                with contextlib.suppress(RuntimeError):  # it has its name a moment before it has its menu
                    menu = await self.menu()
                if menu is not None and condition(menu):
                    return menu
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {patience:g} s; the menu is {menu}")

    async def there(self) -> bool:
        """Whether a tray is on the bus."""
        reply = await self.router.send_and_get_reply(message_bus.NameHasOwner(TRAY))
        return bool(reply.body[0])


def _line(node: tuple[int, dict[str, tuple[str, Any]], list[tuple[str, Any]]]) -> Line:
    number, properties, children = node
    plain = {name: value for name, (_, value) in properties.items()}
    label = str(plain.get("label", "")).replace("__", "_")
    return Line(number, label, plain, tuple(_line(child) for _, child in children))


class Signals:
    """What the tray says without being asked, in order: (name, body)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.heard: list[tuple[str, Any]] = []

    async def __aenter__(self) -> Signals:
        self._connection = await open_dbus_connection(bus=self._address)
        router = DBusRouter(self._connection)
        self._router = router
        rule = MatchRule(type="signal")
        await router.__aenter__()
        await router.send_and_get_reply(message_bus.AddMatch(rule))
        self._filter = router.filter(rule, queue=asyncio.Queue(1000))
        queue = self._filter.__enter__()
        self._task = asyncio.create_task(self._listen(queue))
        return self

    async def _listen(self, queue: asyncio.Queue[Any]) -> None:
        while True:
            message = await queue.get()
            self.heard.append((message.header.fields[3], message.body))

    async def __aexit__(self, *arguments: object) -> None:
        self._task.cancel()
        self._filter.__exit__(None, None, None)
        await self._router.__aexit__(None, None, None)
        await self._connection.close()


class FakeWatcher:
    """The panel's register of icons. - registered: what was registered with it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.registered: list[str] = []

    async def __aenter__(self) -> FakeWatcher:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._on_message)
        await self._bus.request_name(WATCHER)
        return self

    async def __aexit__(self, *arguments: object) -> None:
        self._bus.disconnect()

    def _on_message(self, message: Message) -> Message | None:
        if message.message_type is MessageType.METHOD_CALL and message.member == "RegisterStatusNotifierItem":
            self.registered.append(message.body[0])
            return Message.new_method_return(message)
        return None


async def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)
