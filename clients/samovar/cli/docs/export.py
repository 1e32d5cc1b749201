"""`samovar docs export`."""

from __future__ import annotations

from pathlib import Path

import click

from samovar.cli import human, output, session
from samovar.cli.docs.options import absolute
from samovar.cli.errors import interruptible
from samovar.cli.options import complete_collection, json_option, no_start_option


@click.command("export")
@click.argument("name", shell_complete=complete_collection)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Overwrite FILE where it is there already.")
@json_option
@no_start_option
def command(name: str, file: Path, replace: bool, as_json: bool, no_start: bool) -> None:
    """Write a collection to one file.

    With its texts and vectors, so that `samovar docs import` reads and computes nothing again, also on another machine.
    """
    from samovar_protocol.requests import DocsExport

    if not file.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {file.absolute().parent}.", param_hint="FILE")
    request = DocsExport(collection=name, path=absolute(file), replace=replace)
    with interruptible(f"The export was stopped; nothing was written to {file}."):
        reply = session.follow(request, start=not no_start, label=name)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{reply.path}: {human.counted(reply.documents, 'document')}, {human.size(reply.size_bytes)}.")
