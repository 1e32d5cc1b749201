"""The tray through pystray's own backends: Windows, macOS, and AppIndicator on Linux.

Their event loops want the main thread, so the program's loop runs in the thread that pystray starts for the icon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from samovar.tray.backends import NoTray, Program
from samovar.tray.backends.lock import SessionLock
from samovar.tray.backends.menus import pystray_menu
from samovar.tray.icons import picture
from samovar.tray.menu import View
from samovar_protocol import Places


def run(program: Program) -> int:
    """Show `program` with the system's own tray until it ends or is asked to by a signal."""
    with SessionLock(Places.find().run / "tray.lock") as first:
        if not first:
            sys.stderr.write("Samovar is in the tray of this session already.\n")
            return 0
        return _Runner(program, _pystray()).run()


def _pystray() -> Any:
    try:
        import pystray
    except Exception as error:  # a missing library or display shows as ImportError, ValueError or Xlib's own errors
        raise NoTray(f"The system's tray cannot be used: {error}.") from error
    return pystray


class _Runner:
    def __init__(self, program: Program, pystray: Any) -> None:
        self._program = program
        self._pystray = pystray
        self._icon = pystray.Icon("samovar", picture("stopped", False), "Samovar", pystray.Menu())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self._error: Exception | None = None

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._cancel())
        try:
            self._icon.run(setup=self._thread)
        except Exception:
            # On its way out pystray clears a notification, and fails where no program shows notifications.
            if not self._over:
                self._cancel()
                raise
        self._cancel()
        if self._error is not None:
            raise self._error
        return 0

    def _thread(self, icon: Any) -> None:
        icon.visible = True
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._error = error
        finally:
            self._over = True
            icon.stop()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._program.run(self._show))
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _show(self, view: View) -> None:
        menu = pystray_menu(view.menu, self._click, self._pystray)

        def draw() -> None:
            image = picture(view.mood, view.offline)
            if image is not self._icon.icon:
                self._icon.icon = image
            self._icon.title = view.title
            self._icon.menu = menu

        _on_main_thread(draw)

    def _click(self, item_id: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._program.click, item_id)

    def _cancel(self) -> None:
        if self._loop is not None and self._task is not None:
            # The loop has ended already where the program did.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)


def _on_main_thread(draw: Callable[[], None]) -> None:
    if sys.platform == "darwin":
        # AppKit may be touched from the main thread only; pystray's other backends see to it themselves.
        from PyObjCTools import AppHelper

        AppHelper.callAfter(draw)
    else:
        draw()


def choose_appindicator() -> None:
    """Make `import pystray` take AppIndicator or fail, never an icon without a menu."""
    os.environ["PYSTRAY_BACKEND"] = "appindicator"
