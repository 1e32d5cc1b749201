from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from samovar.tray import main as entry
from samovar.tray.backends import NoTray, dbus, native
from samovar.tray.backends.select import select


@pytest.fixture
def no_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("PYSTRAY_BACKEND", "")


def has_gi(monkeypatch: pytest.MonkeyPatch, present: bool) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str) -> object:
        return (real("json") if present else None) if name == "gi" else real(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_linux_with_a_session_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/x")
    assert select("linux") is dbus.run


def test_linux_without_one_takes_appindicator_and_nothing_else(no_bus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    has_gi(monkeypatch, True)
    assert select("linux") is native.run
    assert os.environ["PYSTRAY_BACKEND"] == "appindicator"


def test_linux_with_neither_has_no_tray(no_bus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    has_gi(monkeypatch, False)
    with pytest.raises(NoTray, match="no session bus"):
        select("linux")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_pystray_draws(platform: str) -> None:
    assert select(platform) is native.run


def test_no_tray_is_a_sentence_and_an_exit_code(
    no_bus: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has_gi(monkeypatch, False)
    assert entry.main() == 1
    assert "no session bus" in capsys.readouterr().err


def test_our_backend_loads_no_other_of_pystrays() -> None:
    # In a process of its own, where nothing is loaded yet; and without a display, which `import pystray` fails over.
    code = (
        "import os, sys; import samovar.tray.backends.dbus, samovar.tray.app;"
        "assert 'PYSTRAY_BACKEND' not in os.environ;"
        "unwanted = {'gi', 'Xlib', 'pystray._xorg', 'pystray._gtk', 'tkinter', 'aiohttp', 'click'} & set(sys.modules);"
        "assert not unwanted, unwanted"
    )
    environ = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "PYSTRAY_BACKEND")}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)


def test_the_entry_is_light() -> None:
    code = (
        "import sys; import samovar.tray.main;"
        "unwanted = {'asyncio', 'PIL', 'pystray', 'dbus_fast', 'zmq'} & set(sys.modules);"
        "assert not unwanted, unwanted"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
