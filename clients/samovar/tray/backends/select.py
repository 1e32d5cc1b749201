"""Which way the tray is drawn here."""

from __future__ import annotations

import importlib.util
import sys

from samovar.tray.backends import Backend, NoTray


def select(platform: str = sys.platform) -> Backend:
    """The backend for this machine, one that has a menu; raises `NoTray`. - platform: as `sys.platform`.

    Linux: the session bus, else pystray's AppIndicator backend. Windows and macOS: pystray's own.
    """
    if platform != "linux":
        from samovar.tray.backends import native

        return native.run
    from samovar.tray.backends import dbus

    if dbus.session_bus() is not None:
        return dbus.run
    if importlib.util.find_spec("gi") is not None:
        from samovar.tray.backends import native

        native.choose_appindicator()
        return native.run
    # pystray's last resort on Linux draws an icon that has no menu and answers no click.
    raise NoTray(
        "There is no session bus, so no panel can show the tray. Start it from a desktop session, "
        "or with `dbus-run-session samovar tray`."
    )
