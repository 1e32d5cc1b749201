"""The entry of `samovar tray`."""

from __future__ import annotations

import sys

UNAVAILABLE = 1
"""Exit code where a tray cannot exist: the command line's code for what did not work."""


def main() -> int:
    """Show the tray until the user quits or the session ends; the process's exit code.

    0 also where this session has a tray already; 1 where none can exist, with a sentence on standard error.
    """
    # Imported here, so that a command line that only names this function stays light.
    from samovar.tray.app import Tray
    from samovar.tray.backends import NoTray
    from samovar.tray.backends.select import select

    try:
        return select()(Tray())
    except NoTray as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE
