"""`samovar docs watch`."""

from __future__ import annotations

from pathlib import Path

import click

from samovar.cli import output, session
from samovar.cli.docs.options import absolute, collection_option
from samovar.cli.options import json_option, no_start_option


@click.command("watch")
@click.argument("path", type=click.Path(path_type=Path))
@collection_option
@click.option("--off", is_flag=True, help="Follow its changes no longer; what was read stays.")
@json_option
@no_start_option
def command(path: Path, collection: str, off: bool, as_json: bool, no_start: bool) -> None:
    """Keep a source in step with its folder, or no longer.

    PATH is a folder or file that was added.
    """
    from samovar_protocol.requests import DocsWatch

    reply = session.call(DocsWatch(collection=collection, path=absolute(path), watch=not off), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    source = reply.source
    how = "Changes are followed" if source.watch else "Changes are followed no longer"
    output.say(f"{source.path or path}: {how[0].lower()}{how[1:]}.")
    if source.watch and source.state == "missing":
        output.warn("It is not there now; what was read of it stays.")
