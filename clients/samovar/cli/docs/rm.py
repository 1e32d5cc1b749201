"""`samovar docs rm`."""

from __future__ import annotations

from pathlib import Path

import click

from samovar.cli import human, output, session
from samovar.cli.docs.options import absolute
from samovar.cli.options import complete_collection, json_option, no_start_option


@click.command("rm")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--collection",
    metavar="NAME",
    required=True,
    shell_complete=complete_collection,
    help="The collection.",
)
@click.option("--id", "ids", metavar="N", type=int, multiple=True, help="Remove this document; repeatable.")
@json_option
@no_start_option
def command(paths: tuple[Path, ...], collection: str, ids: tuple[int, ...], as_json: bool, no_start: bool) -> None:
    """Remove documents from a collection.

    Files stay where they are. A PATH that was added is forgotten; one inside of a folder that was added is left out of
    that folder from then on.
    """
    from samovar_protocol.requests import DocsRm

    if not paths and not ids:
        raise click.UsageError("Say what to remove: paths, or numbers of `samovar docs ls` with --id.")
    for path in paths:
        if path.name.isdigit() and str(path) == path.name and not path.exists():
            raise click.UsageError(f"There is no file {path} here; --id {path} removes document number {path}.")
    request = DocsRm(collection=collection, paths=[absolute(path) for path in paths], documents=list(ids))
    reply = session.call(request, start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{collection}: {human.counted(reply.removed, 'document')} removed; files stay where they are.")
