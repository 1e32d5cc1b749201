"""The icon on the session bus: the interface org.kde.StatusNotifierItem, and the panel's register of such icons."""

# No `from __future__ import annotations` here: dbus-fast evaluates annotations and stumbles over "None" as text.

from collections.abc import Callable
from typing import Annotated, Any

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from samovar.tray.backends.pixmaps import Pixmap

ITEM_PATH = "/StatusNotifierItem"
MENU_PATH = "/MenuBar"
"""Where panels look, unless told otherwise."""

WATCHER = "org.kde.StatusNotifierWatcher"
_BUS = "org.freedesktop.DBus"


class StatusNotifierItem(ServiceInterface):
    """The icon, its tooltip and what a click on it does.

    - activate: a left click; None where it opens the menu.
    """

    def __init__(self, name: str, activate: Callable[[], None] | None) -> None:
        super().__init__("org.kde.StatusNotifierItem")
        self._id = name
        self._activate = activate
        self._title = name
        self._pixmaps: list[Pixmap] = []

    def set_title(self, title: str) -> None:
        """Change name and tooltip."""
        self._title = title
        self.NewTitle()
        self.NewToolTip()

    def set_pixmaps(self, pixmaps: list[Pixmap]) -> None:
        """Change the picture. - pixmaps: the same one in several sizes, for the panel to choose."""
        self._pixmaps = pixmaps
        self.NewIcon()

    @dbus_property(access=PropertyAccess.READ)
    def Category(self) -> DBusStr:
        """Panels sort by this."""
        return "ApplicationStatus"

    @dbus_property(access=PropertyAccess.READ)
    def Id(self) -> DBusStr:
        """The same in every session, so that panels remember where the icon belongs."""
        return self._id

    @dbus_property(access=PropertyAccess.READ)
    def Title(self) -> DBusStr:
        """For lists of icons, and for screen readers."""
        return self._title

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:
        """Never passive: panels hide such icons."""
        return "Active"

    @dbus_property(access=PropertyAccess.READ)
    def WindowId(self) -> DBusInt32:
        """There is no window."""
        return 0

    @dbus_property(access=PropertyAccess.READ)
    def IconName(self) -> DBusStr:
        """Empty: the picture is in `IconPixmap`, since no icon theme has it."""
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def IconPixmap(self) -> Annotated[list[Pixmap], DBusSignature("a(iiay)")]:
        """Width, height and ARGB bytes of each size."""
        return self._pixmaps

    @dbus_property(access=PropertyAccess.READ)
    def ToolTip(self) -> Annotated[list[Any], DBusSignature("(sa(iiay)ss)")]:
        """Icon name, pictures, title, text."""
        return ["", [], self._title, ""]

    @dbus_property(access=PropertyAccess.READ)
    def ItemIsMenu(self) -> DBusBool:
        """Whether a left click opens the menu."""
        return self._activate is None

    @dbus_property(access=PropertyAccess.READ)
    def Menu(self) -> DBusObjectPath:
        """Where the menu is."""
        return MENU_PATH

    @dbus_method()
    def Activate(self, x: DBusInt32, y: DBusInt32) -> None:
        """Left click."""
        if self._activate is not None:
            self._activate()

    @dbus_method()
    def SecondaryActivate(self, x: DBusInt32, y: DBusInt32) -> None:
        """Middle click: nothing."""

    @dbus_method()
    def ContextMenu(self, x: DBusInt32, y: DBusInt32) -> None:
        """Right click, from panels that draw no menus themselves: nothing, for we have no window to draw one in."""

    @dbus_method()
    def Scroll(self, delta: DBusInt32, orientation: DBusStr) -> None:
        """Mouse wheel: nothing."""

    @dbus_signal()
    def NewIcon(self) -> None:
        """The picture changed."""

    @dbus_signal()
    def NewTitle(self) -> None:
        """The title changed."""

    @dbus_signal()
    def NewToolTip(self) -> None:
        """The tooltip changed."""


class Registration:
    """Keeps the icon registered with the panel, also with one that starts later or starts again.

    - bus: connected, with the item exported at `ITEM_PATH`.
    """

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def start(self) -> None:
        """Register now where a panel runs, and whenever one appears."""
        self._bus.add_message_handler(self._on_message)
        rule = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{WATCHER}'"
        await self._call_bus("AddMatch", rule)
        reply = await self._call_bus("NameHasOwner", WATCHER)
        if reply.message_type is MessageType.METHOD_RETURN and reply.body[0]:
            self._register()

    def stop(self) -> None:
        """Register no more; the panel removes the icon when the connection closes."""
        self._bus.remove_message_handler(self._on_message)

    def _on_message(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if name == WATCHER and owner:
                self._register()

    def _register(self) -> None:
        # No answer is waited for: a watcher that hangs must not hang us, and one that refuses has no icon to show.
        self._bus.send(
            Message(
                destination=WATCHER,
                path="/StatusNotifierWatcher",
                interface=WATCHER,
                member="RegisterStatusNotifierItem",
                signature="s",
                body=[self._bus.unique_name],
                flags=MessageFlag.NO_REPLY_EXPECTED,
            )
        )

    async def _call_bus(self, member: str, argument: str) -> Message:
        message = Message(
            destination=_BUS,
            path="/org/freedesktop/DBus",
            interface=_BUS,
            member=member,
            signature="s",
            body=[argument],
        )
        return await self._bus.call(message)
