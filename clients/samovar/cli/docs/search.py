"""`samovar docs search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from samovar.cli import output, session
from samovar.cli.docs.filters import document_filter, filter_options
from samovar.cli.docs.options import collections_option
from samovar.cli.options import json_option, no_start_option
from samovar.cli.sources import excerpt, in_one_line, place

if TYPE_CHECKING:
    from samovar_protocol.documents import DocumentPassage
    from samovar_protocol.replies import DocsSearchReply


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@collections_option
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most so many."
)
@filter_options
@click.option(
    "--rerank/--no-rerank",
    default=None,
    help="Order them by a reranking model, or by none; without, by one that is in memory.",
)
@click.option("--words", is_flag=True, help="By words alone, not by meaning.")
@json_option
@no_start_option
def command(
    query: tuple[str, ...],
    collections: tuple[str, ...],
    limit: int,
    rerank: bool | None,
    words: bool,
    as_json: bool,
    no_start: bool,
    **filters: Any,
) -> None:
    """Find passages by words and by meaning.

    The best come first. Where nothing is found, that is no failure: stdout is empty and the exit code 0.
    """
    from samovar_protocol.requests import DocsSearch

    text = " ".join(query)
    if not text.strip():
        raise click.UsageError("The query is empty.")
    request = DocsSearch(
        query=text,
        collections=list(collections),
        filter=document_filter(**filters),
        limit=limit,
        rerank=rerank,
        words_only=words,
    )
    reply = session.follow(request, start=not no_start, label="the search")
    if as_json:
        output.show_json(reply)
        return
    for number, passage in enumerate(reply.passages, 1):
        _show(number, passage, text)
    if not reply.passages:
        output.note("Nothing was found.")
    if reply.note:
        output.note(reply.note)
    output.note(_how(reply), dim=True)


def _show(number: int, passage: DocumentPassage, query: str) -> None:
    if number > 1:
        click.echo()
    output.say(f"{number}. {place(passage)}  ({passage.score:.3f})")
    # What `samovar docs show` needs to print what stands around it.
    where = f"document {passage.document}, {passage.start}-{passage.end}"
    output.say(f"    {in_one_line(passage.path)} ({where})" if passage.path else f"    {where}")
    output.say(excerpt(passage.text, lines=3, about=query))


def _how(reply: DocsSearchReply) -> str:
    reranked = f", ordered by {reply.reranked}" if reply.reranked else ""
    return f"(searched by {reply.method}{reranked}, in {reply.seconds:.3f} s)"
