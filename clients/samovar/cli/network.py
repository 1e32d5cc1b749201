"""`samovar network`."""

from __future__ import annotations

from typing import Literal

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

_COLUMNS = (
    Column("TIME"),
    Column("PURPOSE"),
    Column("HOST", wrap=True),
    Column("IN", right=True),
    Column("OUT", right=True),
    Column("ASKED BY"),
    Column("OUTCOME", wrap=True, styles={"ok": "green", "refused": "yellow"}),
    Column("WHAT FOR", wrap=True),
)


@click.group()
def command() -> None:
    """What may leave this machine, and what did.

    The policy is one of: online, which allows downloads, searches and refreshes; ask, which allows only what a person
    asked for in that moment; offline, which allows nothing.
    """


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


@command.command()
@json_option
@no_start_option
def ask(as_json: bool, no_start: bool) -> None:
    """Allow only what you ask for yourself."""
    _set_policy("ask", as_json=as_json, no_start=no_start)


@command.command()
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many."
)
@click.option(
    "--purpose",
    type=click.Choice(["catalog", "search", "model-download", "runtime-download", "update-check"]),
    help="Only connections of this kind.",
)
@json_option
@no_start_option
def journal(limit: int, purpose: str | None, as_json: bool, no_start: bool) -> None:
    """List what left this machine, or was not allowed to, newest first.

    Every connection to another machine is here, with its purpose and who asked for it; nothing else ever leaves.
    """
    from samovar_protocol.requests import NetworkJournal

    reply = session.call(NetworkJournal(limit=limit, purpose=purpose), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.entries:
        output.note("Nothing has left this machine.")
        return
    output.show_table(
        _COLUMNS,
        [
            (
                human.moment(entry.started_at),
                entry.purpose,
                entry.host or "-",
                "-" if entry.bytes_received is None else human.size(entry.bytes_received),
                "-" if entry.bytes_sent is None else human.size(entry.bytes_sent),
                entry.requester,
                entry.outcome or "open",
                entry.detail,
            )
            for entry in reply.entries
        ],
    )


def _set_policy(policy: Literal["online", "ask", "offline"], *, as_json: bool, no_start: bool) -> None:
    from samovar.cli.config import show_changed
    from samovar_protocol.requests import ConfigSet

    show_changed(session.call(ConfigSet(key="network.policy", value=policy), start=not no_start), as_json=as_json)
