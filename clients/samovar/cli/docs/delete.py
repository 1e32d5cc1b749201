"""`samovar docs delete`."""

from __future__ import annotations

import click

from samovar.cli import exit_codes, human, output, session, terminal
from samovar.cli.options import complete_collection, json_option, no_start_option


@click.command("delete")
@click.argument("name", shell_complete=complete_collection)
@click.option("-y", "--yes", is_flag=True, help="Do not ask first; needed where nobody is at a terminal.")
@json_option
@no_start_option
@click.pass_context
def command(ctx: click.Context, name: str, yes: bool, as_json: bool, no_start: bool) -> None:
    """Remove a collection with all that was read.

    Files stay where they are. Asks first.
    """
    from samovar_protocol.requests import DocsCollections, DocsDelete

    if not yes:
        if not terminal.stdin_is_terminal():
            raise click.UsageError("This cannot be undone, and nobody can be asked here: --yes does it.")
        found = session.call(DocsCollections(name=name), start=not no_start).collections
        documents = human.counted(sum(collection.documents for collection in found), "document")
        question = f"Remove {name} with what was read of its {documents}? Files stay where they are."
        if not click.confirm(terminal.harmless(question), err=True):
            output.note("Nothing was removed.")
            ctx.exit(exit_codes.FAILURE)
    reply = session.call(DocsDelete(collection=name), start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{name} is gone, with {human.counted(reply.removed, 'document')}; files stay where they are.")
