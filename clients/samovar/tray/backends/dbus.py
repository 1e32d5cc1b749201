"""The tray on Linux, with nothing but the session bus: a pystray icon that speaks StatusNotifierItem and dbusmenu.

pystray's own backends have a menu on Linux only through GTK and its Python bindings, which pip cannot bring along.
This one needs neither, runs in the program's own event loop, and keeps an open menu open while it changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dbus_fast import NameFlag, RequestNameReply
from dbus_fast.aio import MessageBus

from samovar.tray.backends import NoTray, Program, pystray_base
from samovar.tray.backends.dbusmenu import DBusMenu
from samovar.tray.backends.layout import Layouts, Node, default_item
from samovar.tray.backends.menus import pystray_menu
from samovar.tray.backends.pixmaps import pixmaps
from samovar.tray.backends.statusnotifier import ITEM_PATH, MENU_PATH, Registration, StatusNotifierItem
from samovar.tray.icons import picture
from samovar.tray.menu import View

TRAY_NAME = "io.github.samovar.Tray"
"""Owned on the session bus by the one tray of this session."""

_PATIENCE = 1.0


def session_bus(environ: dict[str, str] | None = None) -> str | None:
    """The address of the session bus, or None where there is none.

    Where the variable is not set, as in a service or over ssh, the bus is where systemd puts it.
    """
    environ = dict(os.environ) if environ is None else environ
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and (Path(runtime) / "bus").is_socket():
        return f"unix:path={runtime}/bus"
    return None


class Icon(pystray_base.Icon):  # type: ignore[misc]  # pystray has no types
    """A pystray icon drawn by whatever panel listens on the session bus.

    It belongs to a running event loop: `await open(bus)` takes the place of `run`, `close` that of `stop`.
    """

    HAS_NOTIFICATION = False

    def __init__(self, name: str, icon: Any = None, title: str | None = None, menu: Any = None, **kwargs: Any) -> None:
        super().__init__(name, icon, title, menu, **kwargs)
        self._layouts = Layouts()
        self._dbus_menu = DBusMenu(self._layouts.of(self.menu), self._clicked)
        default = default_item(self.menu)
        self._item = StatusNotifierItem(name, self if default is not None else None)
        self._bus: MessageBus | None = None
        self._registration: Registration | None = None

    async def open(self, bus: MessageBus) -> None:
        """Show the icon on `bus`, in every panel that is there or comes later."""
        self._bus = bus
        self._registration = Registration(bus)
        self._update_title()
        bus.export(ITEM_PATH, self._item)
        bus.export(MENU_PATH, self._dbus_menu)
        self.visible = True
        await self._registration.start()

    def close(self) -> None:
        """Take the icon away."""
        self.visible = False

    def _show(self) -> None:
        self._update_icon()

    def _hide(self) -> None:
        if self._bus is not None and self._registration is not None:
            self._registration.stop()
            self._bus.unexport(ITEM_PATH, self._item)
            self._bus.unexport(MENU_PATH, self._dbus_menu)
            self._bus = None

    def _update_icon(self) -> None:
        self._item.set_pixmaps(pixmaps(self.icon))
        self._icon_valid = True

    def _update_title(self) -> None:
        self._item.set_title(self.title)

    def _update_menu(self) -> None:
        self._dbus_menu.update(self._layouts.of(self.menu))

    def _clicked(self, node: Node) -> None:
        node.activate(self)


def run(program: Program) -> int:
    """Show `program` on the session bus until it ends, is asked to by a signal, or the session is over.

    Raises `NoTray` where the bus does not answer.
    """
    return asyncio.run(_run(program))


async def _run(program: Program) -> int:
    bus = await _connect()
    # Without its bus the session is over, and a tray without a session would live on unseen.
    over = asyncio.create_task(_disconnected(bus))
    try:
        reply = await bus.request_name(TRAY_NAME, NameFlag.DO_NOT_QUEUE)
        if reply is RequestNameReply.PRIMARY_OWNER:
            await _show(program, bus, over)
        else:
            sys.stderr.write("Samovar is in the tray of this session already.\n")
        return 0
    finally:
        bus.disconnect()
        await asyncio.wait({over}, timeout=_PATIENCE)


async def _show(program: Program, bus: MessageBus, over: asyncio.Task[None]) -> None:
    icon = Icon("samovar", picture("stopped", False), "Samovar", pystray_base.Menu())

    def show(view: View) -> None:
        image = picture(view.mood, view.offline)
        if image is not icon.icon:
            icon.icon = image
        icon.title = view.title
        icon.menu = pystray_menu(view.menu, program.click, pystray_base)

    await icon.open(bus)
    running = asyncio.create_task(program.run(show))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        icon.close()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _disconnected(bus: MessageBus) -> None:
    with contextlib.suppress(Exception):  # however the connection ended, it has ended
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _connect() -> MessageBus:
    try:
        return await MessageBus(bus_address=session_bus()).connect()
    except Exception as error:  # dbus-fast has no common base for a bus that is gone, deaf or forbidden
        raise NoTray(f"The session bus does not answer: {error}.") from error
