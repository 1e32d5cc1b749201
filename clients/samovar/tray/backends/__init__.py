"""What draws the tray: one module a way, and `select` to choose among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from samovar.tray.menu import View


class Program(Protocol):
    """What a backend runs; `samovar.tray.app.Tray` is the one there is."""

    async def run(self, show: Callable[[View], None]) -> None:
        """Show views until it is done or cancelled."""

    def click(self, item_id: str) -> None:
        """The user chose this item; called in the loop that `run` runs in."""


Backend = Callable[[Program], int]
"""Draws a program's views until it ends; the process's exit code."""


class NoTray(Exception):
    """A tray with a menu cannot exist here; the text says why and what to do."""
