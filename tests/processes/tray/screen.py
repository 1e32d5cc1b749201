"""A whole desktop without a monitor: an X server in memory, a window manager and a panel with a tray."""

from __future__ import annotations

import io
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops

from tests.samovar.tray.desktop import PATIENCE, PrivateBus, require

WIDTH, HEIGHT, PANEL = 1024, 640, 30
_PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array"><value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="{dark}"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="{height}"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/><property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
    <property name="plugin-3" type="string" value="clock"/>
  </property>
</channel>
"""


class Screen:
    """The desktop; `environ` is what a program on it is started with."""

    def __init__(self, folder: Path, *, dark: bool) -> None:
        require(
            Xvfb="xvfb",
            xdotool="xdotool",
            xfwm4="xfwm4",
            xfce4_panel="xfce4-panel",
            **{"import": "imagemagick"},
        )
        self._processes: list[subprocess.Popen[bytes]] = []
        read, write = os.pipe()
        self._start(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"],
            dict(os.environ),
            pass_fds=(write,),
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            display = pipe.readline().strip()
        settings = folder / "config" / "xfce4" / "xfconf" / "xfce-perchannel-xml" / "xfce4-panel.xml"
        settings.parent.mkdir(parents=True)
        settings.write_text(_PANEL.format(height=PANEL, dark=str(dark).lower()))
        self.environ = {
            **os.environ,
            "DISPLAY": f":{display}",
            # Services that the bus starts inherit these from it.
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CURRENT_DESKTOP": "XFCE",
            "NO_AT_BRIDGE": "1",
            "GTK_THEME": "Adwaita:dark" if dark else "Adwaita",
        }
        self.bus = PrivateBus(folder / "b", environ=self.environ, services=True)
        self.environ["DBUS_SESSION_BUS_ADDRESS"] = self.bus.address
        self._start(["xfwm4", "--compositor=off"], self.environ)
        self._start(["xfce4-panel", "--disable-wm-check"], self.environ)

    def stop(self) -> None:
        """End everything, the X server last."""
        for process in reversed(self._processes[1:]):
            process.terminate()
            process.wait(PATIENCE)
        self.bus.stop()
        self._processes[0].terminate()
        self._processes[0].wait(PATIENCE)

    def picture(self) -> Image.Image:
        """What is on the screen now."""
        data = subprocess.run(
            ["import", "-silent", "-window", "root", "png:-"], env=self.environ, check=True, capture_output=True
        ).stdout
        return Image.open(io.BytesIO(data)).convert("RGB")

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        self._run("xdotool", "key", "--delay", "120", *names)

    def click(self, x: int, y: int) -> None:
        """Left click."""
        self._run("xdotool", "mousemove", str(x), str(y), "click", "1")

    def brass(self) -> tuple[int, int] | None:
        """The middle of the icon in the panel, found by its colour; None while there is none."""
        pixels = self.picture().crop((0, 0, WIDTH, PANEL)).tobytes()
        found = [
            (index // 3 % WIDTH, index // 3 // WIDTH)
            for index in range(0, len(pixels), 3)
            if _is_brass(*pixels[index : index + 3])
        ]
        if len(found) < 20:
            return None
        return sum(x for x, _ in found) // len(found), sum(y for _, y in found) // len(found)

    def menu_is_open(self) -> bool:
        """Whether anything is drawn below the panel."""
        below = (0, 2 * PANEL, WIDTH, HEIGHT - PANEL)  # clear of the panel's shadow
        return self.picture().crop(below).getbbox() is not None

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Return as soon as the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.1)

    def still(self) -> Image.Image:
        """A picture of the screen once nothing moves on it any more."""
        last = self.picture()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            time.sleep(0.3)
            now = self.picture()
            if ImageChops.difference(last, now).getbbox() is None:
                break
            last = now
        return last

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environ, check=True, stderr=subprocess.DEVNULL)

    def _start(self, command: list[str], environ: dict[str, str], pass_fds: tuple[int, ...] = ()) -> None:
        self._processes.append(
            subprocess.Popen(
                command, env=environ, pass_fds=pass_fds, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )


def _is_brass(red: int, green: int, blue: int) -> bool:
    return red > 170 and 90 < green < 210 and blue < 110 and red - blue > 100
