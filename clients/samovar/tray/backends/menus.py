"""Our menu items as pystray's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from samovar.tray.menu import Item


def pystray_menu(items: tuple[Item, ...], click: Callable[[str], None], kinds: ModuleType) -> Any:
    """A `pystray.Menu` of `items`. - click: called with the item's id. - kinds: the module with Menu and MenuItem.

    Each pystray item gets our id as its `key`, by which our own backend recognises it after a change.
    """
    return kinds.Menu(*(_item(item, click, kinds) for item in items))


def _item(item: Item, click: Callable[[str], None], kinds: ModuleType) -> Any:
    if item.separator:
        return kinds.Menu.SEPARATOR
    if item.children is not None:
        action: object = pystray_menu(item.children, click, kinds)
    else:

        def action() -> None:
            click(item.id)

    checked = item.checked
    native = kinds.MenuItem(
        item.label, action, checked=None if checked is None else lambda _: checked, enabled=item.enabled
    )
    native.key = item.id
    return native
