"""`samovar docs change`."""

from __future__ import annotations

import click

from samovar.cli import output, session
from samovar.cli.docs.collections import warn_of
from samovar.cli.options import complete_collection, complete_model, json_option, no_start_option


@click.command("change")
@click.argument("name", shell_complete=complete_collection)
@click.option("--rename", metavar="NEW", help="Another name.")
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=complete_model,
    help="Another embedding model; the old vectors serve until all new ones are computed.",
)
@click.option("--words-only", is_flag=True, help="Search it by words alone from now on, and remove its vectors.")
@json_option
@no_start_option
def command(name: str, rename: str | None, model: str | None, words_only: bool, as_json: bool, no_start: bool) -> None:
    """Give a collection another name or embedding model."""
    from samovar_protocol.requests import DocsChange

    if model is not None and words_only:
        raise click.UsageError("--model and --words-only exclude each other.")
    if rename is None and model is None and not words_only:
        raise click.UsageError("Say what to change: --rename, --model or --words-only.")
    request = DocsChange(collection=name, rename=rename, model=model, words_only=words_only)
    reply = session.call(request, start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    now = reply.collection
    if now.next_model:
        how = f"it changes to {now.next_model} in the background, and {now.model or 'words alone'} serves meanwhile"
    else:
        how = f"it is searched by {f'words and {now.model}' if now.model else 'words alone'}"
    output.say(f"{now.name}: {how}.")
    warn_of(now)
