"""Starts the tray beside the agent where a tray can exist, and ends it with the agent."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger("samovar.tray")

_PATIENCE = 3.0


def possible(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether this session can show a tray: always on Windows and macOS, with a desktop's D-Bus session elsewhere."""
    if platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in environ
    has_display = bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
    has_bus = "DBUS_SESSION_BUS_ADDRESS" in environ or Path(environ.get("XDG_RUNTIME_DIR", "/"), "bus").exists()
    return has_display and has_bus


class TrayProcess:
    """The tray as a child process. It is a client like any other: when it dies, the agent goes on."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; a tray that already runs for this session makes this one leave at once."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "samovar.tray", stdin=asyncio.subprocess.DEVNULL
        )
        log.info("tray started", extra={"pid": self._process.pid})

    async def stop(self) -> None:
        """End it, by force where it does not listen."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
