"""The menu on the session bus: the interface com.canonical.dbusmenu, version 3."""

# No `from __future__ import annotations` here: dbus-fast evaluates annotations and stumbles over "None" as text.

from collections.abc import Callable
from typing import Annotated, Any

from dbus_fast import DBusError, Variant
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr, DBusUInt32, DBusVariant
from dbus_fast.constants import ErrorType, PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from samovar.tray.backends.layout import Layout, Node, Property, changed_menus, changed_properties

Names = Annotated[list[str], DBusSignature("as")]
Numbers = Annotated[list[int], DBusSignature("ai")]
Properties = dict[str, Variant]

_SIGNATURES = {str: "s", bool: "b", int: "i"}


class DBusMenu(ServiceInterface):
    """Serves a layout to panels, and tells them what changes in it.

    - activate: called with the node of a clicked item.
    Panels ask with `GetLayout`, click with `Event` or, newer ones, `EventGroup`. Since items keep their numbers, a
    change of text or check mark is a signal about that item, and the menu stays open under the pointer.
    """

    def __init__(self, layout: Layout, activate: Callable[[Node], None]) -> None:
        super().__init__("com.canonical.dbusmenu")
        self._layout = layout
        self._activate = activate
        self._revision = 1

    def update(self, layout: Layout) -> None:
        """Serve `layout` from now on and announce the differences."""
        old, self._layout = self._layout, layout
        updated, removed = changed_properties(old, layout)
        if updated or removed:
            self.ItemsPropertiesUpdated(
                [[number, _variants(properties)] for number, properties in updated.items()],
                [[number, names] for number, names in removed.items()],
            )
        menus = changed_menus(old, layout)
        if menus:
            self._revision += 1
            for number in menus:
                self.LayoutUpdated(self._revision, number)

    @dbus_property(access=PropertyAccess.READ)
    def Version(self) -> DBusUInt32:
        """Of this interface."""
        return 3

    @dbus_property(access=PropertyAccess.READ)
    def TextDirection(self) -> DBusStr:
        """Left to right."""
        return "ltr"

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:
        """Nothing in the menu calls for attention."""
        return "normal"

    @dbus_property(access=PropertyAccess.READ)
    def IconThemePath(self) -> Names:
        """No item has an icon."""
        return []

    @dbus_method()
    def GetLayout(
        self, parent: DBusInt32, depth: DBusInt32, names: Names
    ) -> Annotated[list[Any], DBusSignature("u(ia{sv}av)")]:
        """The revision, and the tree below `parent`. - depth: -1 for all of it. - names: empty for all properties."""
        return [self._revision, self._tree(parent, depth, names)]

    @dbus_method()
    def GetGroupProperties(
        self, numbers: Numbers, names: Names
    ) -> Annotated[list[list[Any]], DBusSignature("a(ia{sv})")]:
        """Properties of several items, or of all where `numbers` is empty."""
        known = [number for number in numbers or self._layout if number in self._layout]
        return [[number, _variants(self._layout[number].properties, names)] for number in known]

    @dbus_method()
    def GetProperty(self, number: DBusInt32, name: DBusStr) -> DBusVariant:
        """One property of one item."""
        properties = _variants(self._node(number).properties)
        if name not in properties:
            raise DBusError(ErrorType.INVALID_ARGS, f"item {number} has no property {name}")
        return properties[name]

    @dbus_method()
    def Event(self, number: DBusInt32, event: DBusStr, data: DBusVariant, timestamp: DBusUInt32) -> None:
        """Something happened to an item; "clicked" is the only event that means anything here."""
        self._happened(self._node(number), event)

    @dbus_method()
    def EventGroup(self, events: Annotated[list[list[Any]], DBusSignature("a(isvu)")]) -> Numbers:
        """Several events at once; the numbers that are no items are returned."""
        unknown = []
        for number, event, _, _ in events:
            if number in self._layout:
                self._happened(self._layout[number], event)
            else:
                unknown.append(number)
        if events and len(unknown) == len(events):
            raise DBusError(ErrorType.INVALID_ARGS, "none of these items exists")
        return unknown

    @dbus_method()
    def AboutToShow(self, number: DBusInt32) -> DBusBool:
        """Whether the panel must ask again before it opens the menu: never, it has been told of every change."""
        self._node(number)
        return False

    @dbus_method()
    def AboutToShowGroup(self, numbers: Numbers) -> Annotated[list[list[int]], DBusSignature("aiai")]:
        """As `AboutToShow`: menus that changed, which are none, and numbers that are no items."""
        return [[], [number for number in numbers if number not in self._layout]]

    @dbus_signal()
    def ItemsPropertiesUpdated(
        self, updated: list[list[Any]], removed: list[list[Any]]
    ) -> Annotated[list[Any], DBusSignature("a(ia{sv})a(ias)")]:
        """Items look different now."""
        return [updated, removed]

    @dbus_signal()
    def LayoutUpdated(self, revision: int, parent: int) -> Annotated[list[int], DBusSignature("ui")]:
        """The children of `parent` came, went or moved."""
        return [revision, parent]

    def _happened(self, node: Node, event: str) -> None:
        if event == "clicked" and node.properties.get("enabled", True):
            self._activate(node)

    def _node(self, number: int) -> Node:
        node = self._layout.get(number)
        if node is None:
            raise DBusError(ErrorType.INVALID_ARGS, f"there is no item {number}")
        return node

    def _tree(self, number: int, depth: int, names: list[str]) -> list[Any]:
        node = self._node(number)
        children = node.children if depth != 0 else ()
        below = [Variant("(ia{sv}av)", self._tree(child, depth - 1, names)) for child in children]
        return [number, _variants(node.properties, names), below]


def _variants(properties: dict[str, Property], names: list[str] | None = None) -> Properties:
    return {
        name: Variant(_SIGNATURES[type(value)], value)
        for name, value in properties.items()
        if not names or name in names
    }
