"""`samovar down`."""

from __future__ import annotations

import time

import click

from samovar.cli import output, session
from samovar.cli.options import json_option

_WAIT_SECONDS = 20.0
"""Longer than an agent takes to stop, whatever happens."""


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Stop the agent.

    Running replies end, models leave memory, and the command returns when the agent has gone. Where none runs, there
    is nothing to do and that is no failure.
    """
    from samovar_protocol import FailureCode, SamovarError
    from samovar_protocol.requests import Down

    try:
        reply = session.call(Down(), start=False)
    except SamovarError as error:
        if error.code != FailureCode.AGENT_NOT_RUNNING:
            raise
        if as_json:
            output.show_json({"pid": None})
        else:
            output.note("Samovar is not running.")
        return
    if not gone(reply.pid):
        raise SamovarError(
            FailureCode.INTERNAL,
            f"The agent (pid {reply.pid}) has not ended within {_WAIT_SECONDS:.0f} seconds.",
            hint="`samovar logs` may say why.",
        )
    if as_json:
        output.show_json(reply)
    else:
        click.echo("Samovar has stopped.")


def gone(pid: int) -> bool:
    """Wait until the process has ended, so that `samovar down && samovar up` starts a fresh one."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while _runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    import psutil

    try:
        # In a container nobody may collect the dead agent's exit code; it is gone all the same.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
