"""`samovar docs show`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session, terminal
from samovar.cli.options import json_option, no_start_option

if TYPE_CHECKING:
    from samovar_protocol.replies import DocsTextReply

PORTION = 1_000_000
"""Characters to ask for at once, so that no answer is over the protocol's limit."""


@click.command("show")
@click.argument("id_", metavar="ID", type=int)
@click.option("--from", "start", metavar="N", type=click.IntRange(0), default=0, help="From this character on.")
@click.option("--to", "end", metavar="N", type=click.IntRange(0), help="Up to this character.")
@json_option
@no_start_option
def command(id_: int, start: int, end: int | None, as_json: bool, no_start: bool) -> None:
    """Print what a document says.

    ID is a number of `samovar docs ls`. Characters are counted from 0, as citations and passages count them.
    """
    if end is not None and end < start:
        raise click.UsageError("--to is before --from.")
    session.run(_show(id_, start, end, as_json=as_json, start_agent=not no_start))


async def _show(id_: int, start: int, end: int | None, *, as_json: bool, start_agent: bool) -> None:
    import msgspec

    parts: list[str] = []
    first: DocsTextReply | None = None
    last = ""
    async for reply in _portions(id_, start, end, start_agent=start_agent):
        if first is None:
            first = reply
            if not as_json:
                pages = f", {human.counted(reply.document.pages, 'page')}" if reply.document.pages else ""
                output.note(f"{reply.document.path or reply.document.name}{pages}", dim=True)
        if as_json:
            parts.append(reply.text)
        else:
            terminal.write(reply.text)
            last = reply.text or last
        shown_until = reply.end
    assert first is not None  # there is a reply, or it was raised
    if as_json:
        output.show_json(msgspec.structs.replace(first, text="".join(parts), end=shown_until))
    elif last and not last.endswith("\n"):
        click.echo()


async def _portions(id_: int, start: int, end: int | None, *, start_agent: bool) -> AsyncIterator[DocsTextReply]:
    from samovar_protocol.requests import DocsText

    async with session.open_client(start=start_agent) as client:
        while True:
            until = start + PORTION if end is None else min(end, start + PORTION)
            reply = await client.call(DocsText(document=id_, start=start, end=until))
            yield reply
            if reply.end <= start or reply.end >= reply.length or reply.end == end:
                return
            start = reply.end
