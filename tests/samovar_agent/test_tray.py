"""Where a tray can exist."""

from pathlib import Path

import pytest

from samovar_agent.tray import possible


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, False),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:x"}, False),
        ("linux", {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "unix:x"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0", "DBUS_SESSION_BUS_ADDRESS": "unix:x"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("darwin", {"SSH_CONNECTION": "1.2.3.4"}, False),
    ],
)
def test_a_tray_needs_a_desktop(platform: str, environ: dict[str, str], expected: bool) -> None:
    assert possible(environ, platform) is expected


def test_the_session_bus_may_be_at_its_usual_place(tmp_path: Path) -> None:
    environ = {"DISPLAY": ":0", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert not possible(environ, "linux")
    (tmp_path / "bus").touch()
    assert possible(environ, "linux")
