"""`samovar docs ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from samovar.cli.docs.filters import document_filter, filter_options
from samovar.cli.docs.options import collections_option
from samovar.cli.options import (
    complete_model,
    docs_sampling,
    json_option,
    no_start_option,
    options,
    sampling_options,
    think_option,
)


@click.command("ask")
@click.argument("question", nargs=-1, metavar="QUESTION")
@collections_option
@filter_options
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_model,
    help="Who answers; without, the model in memory or the only one there is.",
)
@click.option(
    "--whole/--passages",
    default=None,
    help="Answer from whole documents, or from the passages that fit; without, whole where there is room.",
)
@click.option("--system", metavar="TEXT", help="What the model is told besides.")
@click.option("--stats", is_flag=True, help="Show on stderr what the reply took.")
@think_option
@sampling_options("0.2", "Default 1024, and 4096 where the model thinks first.")
@json_option
@no_start_option
def command(
    question: tuple[str, ...],
    collections: tuple[str, ...],
    path: Path | None,
    types: tuple[str, ...],
    since: float | None,
    until: float | None,
    model: str | None,
    whole: bool | None,
    system: str | None,
    stats: bool,
    think: bool | None,
    as_json: bool,
    no_start: bool,
    **drawing: Any,
) -> None:
    """Answer a question from documents, with numbered sources.

    The answer is followed by where each statement of it stands. Where the documents do not tell, the answer says so,
    and the exit code is 0. Text piped in is put behind the question.
    """
    from samovar.cli.conversation import Conversation, ask_once, prompt_with_stdin

    asked = (prompt_with_stdin(" ".join(question) or None) or "").strip()
    if not asked:
        raise click.UsageError("There is no question.")
    conversation = Conversation(
        model=model,
        system=system,
        collections=list(collections),
        filter=document_filter(path=path, types=types, since=since, until=until),
        whole=whole,
        docs_sampling=docs_sampling(**drawing),
        options=options(think=think),
        start=not no_start,
        show=not as_json,
    )
    ask_once(conversation, asked, as_json=as_json, stats=stats)
