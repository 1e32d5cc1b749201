"""`samovar up`."""

from __future__ import annotations

import click

from samovar.cli import output, session
from samovar.cli.options import json_option


@click.command()
@click.option("--no-tray", is_flag=True, help="Do not start the tray icon.")
@click.option("--foreground", is_flag=True, help="Stay in this terminal and log to it; Ctrl-C stops the agent.")
@json_option
def command(no_tray: bool, foreground: bool, as_json: bool) -> None:
    """Start the agent.

    Where it runs already, say so: there is one agent for each person and home.
    """
    import msgspec

    from samovar_protocol import FailureCode, SamovarError
    from samovar_protocol.requests import Status

    if foreground:
        from samovar.cli.agent import become_agent

        become_agent(tray=not no_tray, foreground=True)
    try:
        status, already_running = session.call(Status(), start=False), True
    except SamovarError as error:
        if error.code != FailureCode.AGENT_NOT_RUNNING:
            raise
        start_agent(tray=not no_tray)
        status, already_running = session.call(Status(), start=False), False
    if as_json:
        output.show_json({"already_running": already_running, **msgspec.to_builtins(status)})
        return
    how = "is already running" if already_running else "is up"
    click.echo("  ".join([f"Samovar {status.version} {how} (pid {status.pid}).", *status.http.urls]))
    if status.http.problem:
        output.warn(status.http.problem)


def start_agent(*, tray: bool) -> None:
    import samovar

    samovar.start_agent(tray=tray)
