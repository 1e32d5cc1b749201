"""`samovar docs create`."""

from __future__ import annotations

import click

from samovar.cli import output, session
from samovar.cli.docs.collections import model_of, warn_of
from samovar.cli.options import complete_model, json_option, no_start_option


@click.command("create")
@click.argument("name")
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=complete_model,
    help="Embedding model for searching by meaning; without, one that is on this machine.",
)
@click.option("--words-only", is_flag=True, help="Search it by words alone, whatever models there are.")
@json_option
@no_start_option
def command(name: str, model: str | None, words_only: bool, as_json: bool, no_start: bool) -> None:
    """Make an empty collection.

    `samovar docs add` makes one by itself; this is for choosing how it is searched.
    """
    from samovar_protocol.requests import DocsCreate

    if model is not None and words_only:
        raise click.UsageError("--model and --words-only exclude each other.")
    reply = session.call(DocsCreate(name=name, model=model, words_only=words_only), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    by = f"words and {reply.collection.model}" if reply.collection.model else model_of(reply.collection)
    output.say(f"{reply.collection.name} is there; it is searched by {by}.")
    warn_of(reply.collection)
