"""A pystray menu as dbusmenu sees it: numbered nodes with properties, and what changed between two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from samovar.tray.backends.pystray_base import Menu

ROOT = 0
"""The menu itself, whose children are its first level; dbusmenu fixes this number."""

Property = str | bool | int


@dataclass(frozen=True, slots=True)
class Node:
    """One line. - properties: by their dbusmenu names. - activate: what a click does."""

    properties: dict[str, Property]
    children: tuple[int, ...] = ()
    activate: Callable[[Any], None] = field(default=lambda _: None, compare=False)


Layout = dict[int, Node]


class Layouts:
    """Numbers menu items, the same number for the same item at all times, so that an open menu can change in place.

    An item is the same where its `key`, or else its text, and those of the menus around it are the same.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}

    def of(self, menu: Any) -> Layout:
        """The nodes of a `pystray.Menu`, or of None for an empty one."""
        layout: Layout = {}
        layout[ROOT] = Node({"children-display": "submenu"}, tuple(self._add(menu or (), (), layout)))
        return layout

    def _add(self, menu: Any, path: tuple[str, ...], layout: Layout) -> Iterator[int]:
        seen: Counter[str] = Counter()
        for item in menu:
            key = "separator" if item is Menu.SEPARATOR else str(getattr(item, "key", item.text))
            seen[key] += 1
            here = (*path, f"{key}#{seen[key]}")
            number = self._numbers.setdefault(here, len(self._numbers) + 1)
            if item is Menu.SEPARATOR:
                layout[number] = Node({"type": "separator"})
            else:
                children = tuple(self._add(item.submenu, here, layout)) if item.submenu else ()
                layout[number] = Node(_properties(item), children, activate=item)
            yield number


def default_item(menu: Any) -> Any | None:
    """The item that a left click on the icon chooses, or None where it opens the menu."""
    return next((item for item in menu or () if item.default), None)


def changed_properties(old: Layout, new: Layout) -> tuple[dict[int, dict[str, Property]], dict[int, list[str]]]:
    """For nodes in both: the properties that are other now, and the names of those that are gone."""
    updated, removed = {}, {}
    for number in old.keys() & new.keys():
        before, after = old[number].properties, new[number].properties
        if changed := {name: value for name, value in after.items() if before.get(name) != value}:
            updated[number] = changed
        if gone := [name for name in before if name not in after]:
            removed[number] = gone
    return updated, removed


def changed_menus(old: Layout, new: Layout) -> list[int]:
    """Nodes in both whose children came, went or moved."""
    return sorted(number for number in old.keys() & new.keys() if old[number].children != new[number].children)


def _properties(item: Any) -> dict[str, Property]:
    # An underscore marks the next letter as the item's key; two are one that is shown.
    properties: dict[str, Property] = {"label": item.text.replace("_", "__"), "enabled": bool(item.enabled)}
    if item.checked is not None:
        properties["toggle-type"] = "radio" if item.radio else "checkmark"
        properties["toggle-state"] = int(item.checked)
    if item.submenu:
        properties["children-display"] = "submenu"
    return properties
