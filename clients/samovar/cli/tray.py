"""`samovar tray`."""

from __future__ import annotations

import importlib
import sys

import click


@click.command()
def command() -> None:
    """Show the tray icon.

    The agent starts it by itself where there is a desktop. It leaves with the session; closing it stops nothing else.
    """
    # By name: the tray is a front-end of its own, and this process becomes it.
    sys.exit(importlib.import_module("samovar.tray.main").main())
