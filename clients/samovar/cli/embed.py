"""`samovar embed`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from samovar.cli import output, session
from samovar.cli.inputs import texts_or_piped
from samovar.cli.options import complete_model, json_option, no_start_option

if TYPE_CHECKING:
    from samovar_protocol.replies import EmbedReply

TEXTS_AT_ONCE = 64
"""A request has so many, so that vectors come out while others are computed and no answer grows too large."""


@click.command()
@click.argument("name", shell_complete=complete_model)
@click.argument("texts", nargs=-1, metavar="TEXT...|-")
@click.option(
    "--dimensions",
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="Shorten the vectors to N numbers, where the model was trained for that.",
)
@json_option
@no_start_option
def command(name: str, texts: tuple[str, ...], dimensions: int | None, as_json: bool, no_start: bool) -> None:
    """Turn texts into vectors.

    Prints a line for each TEXT: its vector as a JSON array. With - in place of TEXT, or where text is piped in, each
    line of stdin is a text.
    """
    session.run(_embed(name, texts_or_piped(texts, "TEXT"), dimensions, as_json=as_json, start=not no_start))


async def _embed(name: str, texts: Sequence[str], dimensions: int | None, *, as_json: bool, start: bool) -> None:
    rows: list[list[float]] = []
    size, prompt_tokens, seconds = 0, 0, 0.0
    async for reply in _replies(name, texts, dimensions, start=start):
        prompt_tokens += reply.prompt_tokens
        seconds += reply.seconds
        name, size = reply.model, reply.dimensions
        if as_json:
            rows += reply.rows()
        else:
            output.show_json_lines(reply.rows())
    if as_json:
        output.show_json(
            {"model": name, "dimensions": size, "vectors": rows, "prompt_tokens": prompt_tokens, "seconds": seconds}
        )


async def _replies(
    name: str, texts: Sequence[str], dimensions: int | None, *, start: bool
) -> AsyncIterator[EmbedReply]:
    from samovar_protocol.requests import Embed

    left = iter(texts)
    async with session.open_client(start=start) as client:
        while some := list(islice(left, TEXTS_AT_ONCE)):
            request = Embed(model=name, inputs=[*some], dimensions=dimensions)
            yield await session.follow_with(client, request, label=name)
