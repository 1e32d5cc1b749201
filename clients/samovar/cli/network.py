"""`samovar network`."""

from __future__ import annotations

from typing import Literal

import click

from samovar.cli import output, session
from samovar.cli.options import json_option, no_start_option


@click.group()
def command() -> None:
    """What may leave this machine."""


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show the policy, and whether there is a network.

    Ends with exit code 3 where no agent runs.
    """
    from samovar.cli.status import network_line
    from samovar_protocol.requests import Status

    network = session.call(Status(), start=False).network
    if as_json:
        output.show_json(network)
    else:
        click.echo(network_line(network))


@command.command()
@json_option
@no_start_option
def online(as_json: bool, no_start: bool) -> None:
    """Allow downloads and refreshes."""
    _set_policy("online", as_json=as_json, no_start=no_start)


@command.command()
@json_option
@no_start_option
def offline(as_json: bool, no_start: bool) -> None:
    """Let nothing leave this machine."""
    _set_policy("offline", as_json=as_json, no_start=no_start)


def _set_policy(policy: Literal["online", "offline"], *, as_json: bool, no_start: bool) -> None:
    from samovar.cli.config import show_changed
    from samovar_protocol.requests import ConfigSet

    show_changed(session.call(ConfigSet(key="network.policy", value=policy), start=not no_start), as_json=as_json)
