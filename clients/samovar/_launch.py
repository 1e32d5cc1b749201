"""Find out whether the agent runs, and start it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from samovar_protocol import Endpoint, Failure, FailureCode, Places, SamovarError

_START_TIMEOUT = 20.0
_POLL = 0.01
_LEAST_FREE = 64 * 1024
"""Bytes; with less the agent can neither start nor say why."""
ALREADY_RUNNING = 75
"""Exit code of an agent that found another one holding the lock (EX_TEMPFAIL in sysexits.h)."""


def reachable(endpoint: Endpoint) -> bool:
    """Whether something listens at the endpoint; a file left by a killed agent is recognised by this."""
    scheme, _, address = endpoint.control.partition("://")
    try:
        if scheme == "ipc":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(address)
        else:
            host, _, port = address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=1.0):
                pass
    except (BlockingIOError, TimeoutError):
        return True  # its queue of new connections is full, but somebody has one
    except OSError:
        return False
    return True


def running_agent(home: Path | None = None) -> Endpoint | None:
    """The endpoint of the agent that runs for `home`, or None."""
    endpoint = Endpoint.read(_places(home).endpoint_file)
    return endpoint if endpoint is not None and reachable(endpoint) else None


def start_agent(*, tray: bool = True, timeout: float = _START_TIMEOUT, home: Path | None = None) -> Endpoint:
    """Start the agent in the background and wait until it answers; attaches to one that runs already.

        endpoint = samovar.start_agent()

    - tray: let the agent start the tray where one can exist. - timeout: seconds to wait.
    - home: another `SAMOVAR_HOME` than this process's own.
    Raises the agent's own failure where it could not start, or `agent_start_failed`.
    """
    if (endpoint := running_agent(home)) is not None:
        return endpoint
    logs = _places(home).logs
    logs.mkdir(parents=True, exist_ok=True)
    output = logs / "start.log"
    # -P: the folder that this happens to run in must not shadow a module with a file of the same name.
    command = [sys.executable, "-P", "-m", "samovar_agent", *([] if tray else ["--no-tray"])]
    environ = {**os.environ, **({"SAMOVAR_HOME": str(home)} if home else {})}
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, **_detached()
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        # Of two starts at once only one wins the lock, and both attach to the winner. The other must not live on to
        # take the lock when the winner is told to stop.
        if (endpoint := running_agent(home)) is not None:
            # (On Windows the child of a virtual environment is a launcher, and the agent is the launcher's child.)
            if endpoint.pid != process.pid and sys.platform != "win32":
                process.kill()
                process.wait()
            return endpoint
        if process.poll() not in (None, ALREADY_RUNNING):
            raise _failure(output, f"The agent ended at once (exit code {process.returncode}).")
        time.sleep(_POLL)
    raise _failure(output, f"The agent did not answer within {timeout:g} seconds.")


def _places(home: Path | None) -> Places:
    return Places.find({"SAMOVAR_HOME": str(home)}) if home else Places.find()


def _detached() -> dict[str, Any]:
    """Options that let the agent outlive this process and its terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _failure(output: Path, message: str) -> SamovarError:
    """What the agent wrote before it ended: its own failure as JSON, or else its last line."""
    lines = output.read_text(errors="replace").splitlines()
    for line in reversed(lines):
        try:
            return SamovarError.of(msgspec.json.decode(line, type=Failure))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    with contextlib.suppress(OSError):
        if shutil.disk_usage(output.parent).free < _LEAST_FREE:  # so there was no room to say it either
            return SamovarError(
                FailureCode.DISK_FULL,
                f"The agent could not start: the disk of {output.parent.parent} is full.",
                hint="Free some room, and start it again; what was saved before is intact.",
            )
    return SamovarError(
        FailureCode.AGENT_START_FAILED,
        " ".join([message, *lines[-1:]]),
        hint="`samovar logs` and `samovar doctor` say more.",
    )
