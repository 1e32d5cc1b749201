"""`samovar unload`."""

from __future__ import annotations

import click

from samovar.cli import output, session
from samovar.cli.options import complete_model, json_option, no_start_option


@click.command()
@click.argument("name", required=False, shell_complete=complete_model)
@click.option("--all", "all_", is_flag=True, help="Every model.")
@json_option
@no_start_option
def command(name: str | None, all_: bool, as_json: bool, no_start: bool) -> None:
    """Take a model out of memory.

    NAME is an identifier of `samovar ps`.
    """
    from samovar_protocol.requests import Unload

    if (name is None) == (not all_):
        raise click.UsageError("Name one model, or say --all.")
    reply = session.call(Unload(name=name, all=all_), start=not no_start)
    if as_json:
        output.show_json(reply)
    elif reply.identifiers:
        output.say(f"Out of memory now: {', '.join(reply.identifiers)}.")
    else:
        output.note("No model was in memory.")
