"""`samovar run`."""

from __future__ import annotations

from typing import Any

import click

from samovar.cli.options import (
    chat_options,
    complete_model,
    json_option,
    no_start_option,
    options,
    sampling,
    sampling_options,
)


@click.command()
@click.argument("name", shell_complete=complete_model)
@click.argument("prompt", nargs=-1, metavar="[PROMPT]")
@click.option("--system", metavar="TEXT", help="The system message.")
@click.option("--stats", is_flag=True, help="Show on stderr what the reply took.")
@chat_options
@sampling_options("0.8")
@json_option
@no_start_option
def command(
    name: str,
    prompt: tuple[str, ...],
    system: str | None,
    stats: bool,
    schema: dict[str, Any] | bool | None,
    think: bool | None,
    as_json: bool,
    no_start: bool,
    **drawing: Any,
) -> None:
    """Ask a model once, or chat with it; gets the model where needed.

    Text piped in is put behind the prompt: `cat notes.txt | samovar run smollm2-135m "Summarise this."`. Without a
    prompt, at a terminal, this is `samovar chat`.
    """
    from samovar.cli.conversation import Conversation, ask_once, prompt_with_stdin
    from samovar.cli.repl import Repl

    conversation = Conversation(
        model=name,
        system=system,
        sampling=sampling(**drawing),
        options=options(schema=schema, think=think),
        start=not no_start,
        get_missing=True,
        show=not as_json,
    )
    whole = prompt_with_stdin(" ".join(prompt) or None)
    if whole is not None:
        ask_once(conversation, whole, as_json=as_json, stats=stats)
    elif as_json:
        raise click.UsageError("--json needs a prompt: give one or pipe one in.")
    else:
        Repl(conversation, stats=stats).run()
