"""`samovar docs retry`."""

from __future__ import annotations

import click

from samovar.cli import human, output, session
from samovar.cli.docs.options import one_or_all_option
from samovar.cli.options import json_option, no_start_option


@click.command("retry")
@one_or_all_option
@click.option("--id", "ids", metavar="N", type=int, multiple=True, help="Only this document; repeatable.")
@json_option
@no_start_option
def command(collection: str | None, ids: tuple[int, ...], as_json: bool, no_start: bool) -> None:
    """Read again what failed.

    For files that were repaired, or could not be read for a while; files that change are read again by themselves.
    """
    from samovar_protocol.requests import DocsRetry

    reply = session.call(DocsRetry(collection=collection, documents=list(ids)), start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{human.counted(reply.queued, 'document')} queued.")
