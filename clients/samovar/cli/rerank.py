"""`samovar rerank`."""

from __future__ import annotations

import click

from samovar.cli import output, session
from samovar.cli.inputs import texts_or_piped
from samovar.cli.options import complete_model, json_option, no_start_option
from samovar.cli.output import Column

_COLUMNS = (Column("SCORE", right=True), Column("#", right=True), Column("DOCUMENT", wrap=True))


@click.command()
@click.argument("name", shell_complete=complete_model)
@click.argument("query")
@click.argument("documents", nargs=-1, metavar="DOCUMENT...|-")
@click.option("--top", metavar="N", type=click.IntRange(1), help="Only the best N.")
@json_option
@no_start_option
def command(name: str, query: str, documents: tuple[str, ...], top: int | None, as_json: bool, no_start: bool) -> None:
    """Order documents by how well they answer a query.

    With - in place of DOCUMENT, or where text is piped in, each line of stdin is a document. The numbers count the
    documents from 0.
    """
    from samovar_protocol.requests import Rerank

    if not query:
        raise click.UsageError("The query is empty.")
    texts = texts_or_piped(documents, "DOCUMENT")
    reply = session.follow(Rerank(model=name, query=query, documents=texts, top=top), start=not no_start, label=name)
    if as_json:
        output.show_json(reply)
        return
    output.show_table(
        _COLUMNS,
        [(f"{result.score:.3f}", str(result.index), _one_line(texts[result.index])) for result in reply.results],
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
