"""`samovar chat`."""

from __future__ import annotations

from typing import Any

import click

from samovar.cli.options import (
    chat_options,
    complete_collection,
    complete_model,
    docs_sampling,
    json_option,
    no_start_option,
    options,
    sampling,
    sampling_options,
)


@click.command()
@click.argument("name", required=False, shell_complete=complete_model)
@click.option("-p", "--prompt", metavar="PROMPT", help="Ask this once and leave; text piped in is put behind it.")
@click.option(
    "--docs",
    "collections",
    metavar="COLLECTION",
    multiple=True,
    shell_complete=complete_collection,
    help="Answer from this collection of documents, with numbered sources; repeatable.",
)
@click.option("--keep", is_flag=True, help="Keep the conversation; see `samovar conversations`.")
@click.option("--conversation", "kept", metavar="ID", type=int, help="Go on with a conversation that is kept.")
@click.option("--system", metavar="TEXT", help="The system message.")
@click.option("--stats", is_flag=True, help="Show on stderr what each reply took.")
@chat_options
@sampling_options("0.8, and 0.2 about documents", "About documents, 1024 without.")
@json_option
@no_start_option
def command(
    name: str | None,
    prompt: str | None,
    collections: tuple[str, ...],
    keep: bool,
    kept: int | None,
    system: str | None,
    stats: bool,
    schema: dict[str, Any] | bool | None,
    think: bool | None,
    as_json: bool,
    no_start: bool,
    **drawing: Any,
) -> None:
    """Talk with a model, or with documents.

    Without NAME it is the model in memory, or the only one there is. At a terminal this is a conversation; with -p, or
    with text piped in, one question and its answer. Nothing of it is kept without --keep.
    """
    from samovar.cli.conversation import Conversation, ask_once, prompt_with_stdin
    from samovar.cli.repl import Repl

    whole = prompt_with_stdin(prompt)
    if whole is None and as_json:
        raise click.UsageError("--json needs a prompt: give -p or pipe one in.")
    conversation = Conversation(
        model=name,
        system=system,
        sampling=sampling(**drawing),
        docs_sampling=docs_sampling(**drawing),
        collections=list(collections) or None,
        keep=keep,
        options=options(schema=schema, think=think),
        start=not no_start,
        show=not as_json,
    )
    if kept is not None:
        conversation.resume(kept)
    if whole is not None:
        ask_once(conversation, whole, as_json=as_json, stats=stats)
    else:
        Repl(conversation, stats=stats).run()
