"""`samovar docs import`."""

from __future__ import annotations

from pathlib import Path

import click

from samovar.cli import human, output, session
from samovar.cli.docs.collections import warn_of
from samovar.cli.docs.options import absolute
from samovar.cli.errors import interruptible
from samovar.cli.options import json_option, no_start_option


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="What to call the collection; without, as it was called.")
@json_option
@no_start_option
def command(file: Path, name: str | None, as_json: bool, no_start: bool) -> None:
    """Take in a file that `samovar docs export` wrote."""
    from samovar_protocol.requests import DocsImport

    with interruptible(f"The import was stopped; nothing of {file.name} was taken in."):
        reply = session.follow(DocsImport(path=absolute(file), name=name), start=not no_start, label=file.name)
    if as_json:
        output.show_json(reply)
    else:
        documents = human.counted(reply.collection.documents, "document")
        output.say(f"{file.name} is now the collection {reply.collection.name}, with {documents}.")
        warn_of(reply.collection)
