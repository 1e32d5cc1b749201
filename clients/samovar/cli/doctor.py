"""`samovar doctor`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samovar.cli import exit_codes, output, session, terminal
from samovar.cli.options import json_option

if TYPE_CHECKING:
    from samovar_protocol.values import Check

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failure": ("✗", "red")}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Look for what is wrong or will be.

    Checks what can be seen from here and asks the agent for its own findings, where it runs. Ends with exit code 1
    where anything failed; warnings are no failure.
    """
    from samovar_protocol.replies import DoctorReply

    checks = [_python(), *_places(), _tray(), *_agent()]
    if as_json:
        output.show_json(DoctorReply(checks=checks))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            click.echo(f"{_mark(check.outcome)}  {check.name.ljust(width)}  {terminal.harmless(check.message)}")
            if check.hint and check.outcome != "ok":
                hint = click.style(terminal.harmless(check.hint), dim=True)
                click.echo(f"{' ' * (len(_plain_mark(check.outcome)) + width + 4)}{hint}")
    if any(check.outcome == "failure" for check in checks):
        click.get_current_context().exit(exit_codes.FAILURE)


def _python() -> Check:
    from samovar_protocol.values import Check

    bits = 64 if sys.maxsize > 2**32 else 32
    return Check(
        name="python",
        outcome="ok" if bits == 64 else "failure",
        message=f"Python {platform.python_version()}, {bits} bit, {platform.system()} {platform.machine()}.",
        hint="" if bits == 64 else "Models need a 64-bit Python; install one.",
    )


def _places() -> Iterator[Check]:
    from samovar_protocol import Places
    from samovar_protocol.values import Check

    places = Places.find()
    for name, folder in {"config": places.config, "data": places.data, "logs": places.logs}.items():
        nearest = _existing(folder)
        writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
        if writable:
            message = f"{folder} is writable." if nearest == folder else f"{folder} can be created."
            yield Check(name=f"{name} folder", outcome="ok", message=message)
        else:
            yield Check(
                name=f"{name} folder",
                outcome="failure",
                message=f"{folder} cannot be written: {nearest} does not allow it.",
                hint="Correct its permissions, or set SAMOVAR_HOME to another folder.",
            )


def _existing(folder: Path) -> Path:
    return next(path for path in [folder, *folder.parents] if path.exists())


def _tray() -> Check:
    from samovar_protocol.values import Check

    if sys.platform in ("win32", "darwin") or _session_bus():
        return Check(name="tray", outcome="ok", message="A tray icon can be shown here.")
    return Check(
        name="tray",
        outcome="warning",
        message="There is no desktop session here, so there will be no tray icon.",
        hint="On a server that is as it should be: everything else works.",
    )


def _session_bus() -> bool:
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(runtime) and Path(str(runtime), "bus").exists()


def _agent() -> Iterator[Check]:
    import samovar
    from samovar_protocol import FailureCode, SamovarError
    from samovar_protocol.requests import Doctor, Status
    from samovar_protocol.values import Check

    try:
        status = session.call(Status(), start=False)
        findings = session.call(Doctor(), start=False).checks
    except SamovarError as error:
        absent = error.code == FailureCode.AGENT_NOT_RUNNING
        yield Check(
            name="agent", outcome="warning" if absent else "failure", message=error.failure.message, hint=error.hint
        )
        return
    if status.version == samovar.__version__:
        yield Check(name="agent", outcome="ok", message=f"Samovar {status.version} answers, pid {status.pid}.")
    else:
        yield Check(
            name="agent",
            outcome="warning",
            message=f"The agent is version {status.version}, this command {samovar.__version__}.",
            hint="Restart the agent: `samovar down`, then `samovar up`.",
        )
    yield from findings


def _plain_mark(outcome: str) -> str:
    # Words where they are read by a program or where the console may lack the signs.
    return _MARKS[outcome][0] if terminal.stdout_is_terminal() and _unicode() else outcome.ljust(7)


def _mark(outcome: str) -> str:
    return click.style(_plain_mark(outcome), fg=_MARKS[outcome][1])


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
