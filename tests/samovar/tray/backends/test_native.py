"""The adapter to pystray's own backends, over a stand-in for pystray that has a real event loop in the main thread."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samovar.tray.backends import native, pystray_base
from samovar.tray.backends.lock import SessionLock
from samovar.tray.menu import Item, Quit, View

VIEW = View(mood="idle", offline=False, title="Samovar", menu=(Item("quit", "Quit", action=Quit()),))


class FakeIcon(pystray_base.Icon):  # type: ignore[misc]  # pystray has no types
    """Draws nothing. - clicks: menu labels to choose, taken in the main thread."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.clicks: queue.Queue[str | None] = queue.Queue()
        self.menus: list[list[str]] = []
        self.farewell: Exception | None = None

    def _run(self) -> None:
        self._mark_ready()
        while (label := self._next()) is not None:
            next(item for item in self.menu if item.text == label)(self)
        if self.farewell is not None:
            raise self.farewell

    def _next(self) -> str | None:
        # A real toolkit's loop lets Python's signal handlers run; a blocking get would not.
        while True:
            try:
                return self.clicks.get(timeout=0.05)
            except queue.Empty:
                continue

    def _stop(self) -> None:
        self.clicks.put(None)

    def _show(self) -> None: ...

    def _hide(self) -> None: ...

    def _update_icon(self) -> None: ...

    def _update_title(self) -> None: ...

    def _update_menu(self) -> None:
        self.menus.append([item.text for item in self.menu])


class Program:
    """Shows one view; ends when the only item is clicked."""

    def __init__(self, after_show: Callable[[], None] = lambda: None) -> None:
        self.threads: list[threading.Thread] = []
        self.after_show = after_show
        self.ended = asyncio.Event()
        self.error: Exception | None = None

    async def run(self, show: Callable[[View], None]) -> None:
        show(VIEW)
        self.after_show()
        await self.ended.wait()
        if self.error is not None:
            raise self.error

    def click(self, item_id: str) -> None:
        self.threads.append(threading.current_thread())
        self.ended.set()


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def icons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[FakeIcon]:
    made: list[FakeIcon] = []

    def icon(*arguments: Any) -> FakeIcon:
        made.append(FakeIcon(*arguments))
        return made[-1]

    kinds = SimpleNamespace(Icon=icon, Menu=pystray_base.Menu, MenuItem=pystray_base.MenuItem)
    monkeypatch.setattr(native, "_pystray", lambda: kinds)
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path))
    return made


def test_clicks_cross_to_the_programs_thread_and_the_end_crosses_back(icons: list[FakeIcon]) -> None:
    program = Program(after_show=lambda: icons[0].clicks.put("Quit"))
    assert native.run(program) == 0
    assert ["Quit"] in icons[0].menus
    assert program.threads
    assert program.threads[0] is not threading.main_thread()


def test_a_signal_ends_it(icons: list[FakeIcon]) -> None:
    assert native.run(Program(after_show=lambda: os.kill(os.getpid(), signal.SIGTERM))) == 0


def test_a_program_that_fails_is_not_hidden(icons: list[FakeIcon]) -> None:
    program = Program(after_show=lambda: icons[0].clicks.put("Quit"))
    program.error = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        native.run(program)


def test_pystrays_failing_farewell_is_no_failure(icons: list[FakeIcon]) -> None:
    def quit_badly() -> None:
        icons[0].farewell = RuntimeError("The name org.freedesktop.Notifications was not provided")
        icons[0].clicks.put("Quit")

    assert native.run(Program(after_show=quit_badly)) == 0


def test_a_second_tray_leaves_at_once(
    icons: list[FakeIcon], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SessionLock(tmp_path / "run" / "tray.lock") as first:
        assert first
        assert native.run(Program()) == 0
    assert not icons
    assert "already" in capsys.readouterr().err


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with SessionLock(tmp_path / "run" / "tray.lock") as first:
            assert first
