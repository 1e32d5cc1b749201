"""`samovar catalog`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column
from samovar.cli.search import FIT_STYLES, fit

if TYPE_CHECKING:
    from samovar_protocol.replies import CatalogReply
    from samovar_protocol.values import CatalogEntry

_COLUMNS = (
    Column("NAME"),
    Column("TITLE", wrap=True),
    Column("PARAMS", right=True),
    Column("SIZE", right=True),
    Column("CAN", wrap=True),
    Column("LICENCE"),
    Column("THIS MACHINE", styles=FIT_STYLES),
    Column("", styles={"here": "green"}),
)


@click.group(invoke_without_command=True)
@json_option
@no_start_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, no_start: bool) -> None:
    """List chosen models; needs no network.

    `samovar get` knows them by these names. SIZE is of the file that `get` takes; those not
    known yet come with the first refresh.
    """
    if ctx.invoked_subcommand is not None:
        return
    from samovar_protocol.requests import Catalog

    _show(session.call(Catalog(), start=not no_start), as_json=as_json)


@command.command()
@json_option
@no_start_option
def refresh(as_json: bool, no_start: bool) -> None:
    """Ask the hub for new files, sizes, digests and statistics."""
    from samovar_protocol.requests import CatalogRefresh

    _show(session.call(CatalogRefresh(), start=not no_start), as_json=as_json)


def _show(reply: CatalogReply, *, as_json: bool) -> None:
    if as_json:
        output.show_json(reply)
        return
    output.show_table(_COLUMNS, [_row(entry) for entry in reply.models])
    when = f"refreshed {human.moment(reply.refreshed_at)}" if reply.refreshed_at else "never refreshed"
    output.note(f"{len(reply.models)} models, {when}. `samovar search PUBLISHER/NAME` shows all files of one.")


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    chosen = next((file for file in entry.files if file.name == entry.recommended), None)
    return (
        entry.aliases[0] if entry.aliases else entry.name,
        entry.title,
        human.count(entry.parameters) if entry.parameters else "-",
        human.size(chosen.size_bytes) if chosen and chosen.size_bytes else "-",
        ", ".join(entry.capabilities),
        entry.licence or "-",
        fit(entry.files, entry.recommended),
        "here" if any(file.present for file in entry.files) else "",
    )
