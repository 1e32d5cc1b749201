"""`samovar get`."""

from __future__ import annotations

import click

from samovar.cli import human, output, session
from samovar.cli.errors import interruptible
from samovar.cli.options import json_option, no_start_option


@click.command()
@click.argument("name", metavar="NAME[@QUANT]")
@click.option("--source", metavar="SOURCE", help="Take it from this of its sources; otherwise the first that works.")
@json_option
@no_start_option
def command(name: str, source: str | None, as_json: bool, no_start: bool) -> None:
    """Download a model of the catalog.

    What arrives is checked against a digest that was known before; a partial file is never used.
    """
    from samovar_protocol.requests import Get

    with interruptible(f"The download was stopped; {name} is not on this machine."):
        reply = session.follow(Get(name=name, source=source), start=not no_start, label=name)
    if as_json:
        output.show_json(reply)
        return
    model = reply.model
    how = "was already here" if reply.already_present else "is ready"
    click.echo(f"{model.key} {how} ({human.size(model.size_bytes)}).")
