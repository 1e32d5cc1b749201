"""`samovar rm`."""

from __future__ import annotations

import click

from samovar.cli import human, output, session
from samovar.cli.options import complete_model, json_option, no_start_option


@click.command()
@click.argument("name", shell_complete=complete_model)
@json_option
@no_start_option
def command(name: str, as_json: bool, no_start: bool) -> None:
    """Delete a model.

    A file that was imported with --link stays where it lies; only its entry is removed.
    """
    from samovar_protocol.requests import Rm

    reply = session.call(Rm(name=name), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    # Also a link to a file, a second name of one, and an empty one free nothing.
    nothing = "that freed no room (what was imported with --link stays)"
    freed = f"{human.size(reply.freed_bytes)} freed" if reply.freed_bytes else nothing
    output.say(f"{reply.key} was removed; {freed}.")
