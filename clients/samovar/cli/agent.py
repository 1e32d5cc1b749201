"""`samovar agent`: the agent's own process."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click


@click.group()
def command() -> None:
    """Be the agent.

    For service managers and for looking at faults; `samovar up` starts it in the background.
    """


@command.command()
@click.option("--no-tray", is_flag=True, help="Do not start the tray icon.")
@click.option("--quiet", is_flag=True, help="Log to the file only, not to this terminal.")
def run(no_tray: bool, quiet: bool) -> None:
    """Run the agent in this process until Ctrl-C or `samovar down`."""
    become_agent(tray=not no_tray, foreground=not quiet)


def become_agent(*, tray: bool, foreground: bool) -> NoReturn:
    """Replace this process by the agent, so that a service manager's signals reach it."""
    arguments = [sys.executable, "-P", "-m", "samovar_agent"]
    arguments += [] if tray else ["--no-tray"]
    arguments += ["--foreground"] if foreground else []
    if sys.platform == "win32":
        # There exec starts a second process and ends this one; the terminal would take the prompt back.
        import subprocess

        sys.exit(subprocess.run(arguments, check=False).returncode)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, arguments)  # noqa: S606
