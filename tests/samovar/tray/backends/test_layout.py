from __future__ import annotations

from samovar.tray.backends import pystray_base
from samovar.tray.backends.layout import (
    ROOT,
    Layout,
    Layouts,
    changed_menus,
    changed_properties,
    default_item,
)
from samovar.tray.backends.menus import pystray_menu
from samovar.tray.menu import Item, Quit

BEFORE = (
    Item("status", "Samovar 0.1.0"),
    Item("line", separator=True),
    Item("models", "Models", children=(Item("model:a", "a_b", checked=False, action=Quit()),)),
    Item("quit", "Quit", action=Quit()),
)


def layout_of(layouts: Layouts, items: tuple[Item, ...]) -> Layout:
    return layouts.of(pystray_menu(items, lambda _: None, pystray_base))


def test_a_menu_becomes_numbered_nodes() -> None:
    layout = layout_of(Layouts(), BEFORE)
    status, line, models, quit_ = layout[ROOT].children
    assert layout[status].properties == {"label": "Samovar 0.1.0", "enabled": False}
    assert layout[line].properties == {"type": "separator"}
    assert layout[models].properties["children-display"] == "submenu"
    (model,) = layout[models].children
    assert layout[model].properties == {
        "label": "a__b",  # one underscore would underline the b
        "enabled": True,
        "toggle-type": "checkmark",
        "toggle-state": 0,
    }
    assert "toggle-type" not in layout[quit_].properties


def test_an_item_keeps_its_number_through_every_change() -> None:
    layouts = Layouts()
    before = layout_of(layouts, BEFORE)
    changed = (
        Item("problem-0", "It failed."),
        Item("status", "Samovar is stopping"),
        Item("models", "Models", children=(Item("model:b", "b"), Item("model:a", "a", checked=True))),
    )
    after = layout_of(layouts, changed)
    again = layout_of(layouts, BEFORE)
    assert before == again
    problem, status, models = after[ROOT].children
    assert (status, models) == (before[ROOT].children[0], before[ROOT].children[2])
    assert after[models].children[1] == before[models].children[0]
    assert problem not in before


def test_only_differences_are_named() -> None:
    layouts = Layouts()
    before = layout_of(layouts, BEFORE)
    after = layout_of(layouts, (Item("status", "Other", checked=True), *BEFORE[1:]))
    number = before[ROOT].children[0]
    assert changed_properties(before, after) == (
        {number: {"label": "Other", "toggle-type": "checkmark", "toggle-state": 1}},
        {},
    )
    assert changed_properties(after, before) == (
        {number: {"label": "Samovar 0.1.0"}},
        {number: ["toggle-type", "toggle-state"]},
    )
    assert changed_menus(before, after) == []
    assert changed_menus(before, layout_of(layouts, BEFORE[1:])) == [ROOT]
    assert changed_properties(before, before) == ({}, {})


def test_an_item_that_goes_and_its_menu() -> None:
    layouts = Layouts()
    before = layout_of(layouts, BEFORE)
    without = tuple(Item("models", "Models", children=()) if item.id == "models" else item for item in BEFORE)
    after = layout_of(layouts, without)
    # pystray leaves out a menu without items, so the whole line goes.
    assert changed_menus(before, after) == [ROOT]


def test_plain_pystray_menus_work_too() -> None:
    menu, item = pystray_base.Menu, pystray_base.MenuItem
    plain = menu(
        item("same", None),
        item("same", None),
        menu.SEPARATOR,
        item("one", None, checked=lambda _: True, radio=True, default=True),
    )
    layout = Layouts().of(plain)
    assert len(set(layout[ROOT].children)) == 4
    assert layout[layout[ROOT].children[3]].properties["toggle-type"] == "radio"
    default = default_item(plain)
    assert default is not None
    assert default.text == "one"
    assert default_item(menu(item("same", None))) is None


def test_no_menu_is_an_empty_one() -> None:
    assert Layouts().of(None)[ROOT].children == ()
