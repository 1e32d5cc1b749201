"""`samovar docs collections`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.options import complete_collection, json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.documents import CollectionInfo

_COLUMNS = (
    Column("NAME", wrap=True),
    Column("DOCUMENTS", right=True),
    Column("FAILED", right=True),
    Column("PASSAGES", right=True),
    Column("MODEL", wrap=True),
    Column("STATE", styles={"ready": "green"}),
)


@click.command("collections")
@click.argument("name", required=False, shell_complete=complete_collection)
@json_option
@no_start_option
def command(name: str | None, as_json: bool, no_start: bool) -> None:
    """List collections and how far they are."""
    from samovar_protocol.requests import DocsCollections

    reply = session.call(DocsCollections(name=name), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.collections:
        output.note("There are no collections. `samovar docs add PATH` makes one.")
        return
    output.show_table(
        _COLUMNS,
        [
            (
                found.name,
                human.number(found.documents),
                human.number(found.failed),
                human.number(found.chunks),
                model_of(found),
                state_of(found),
            )
            for found in reply.collections
        ],
    )
    for found in reply.collections:
        warn_of(found)


def model_of(collection: CollectionInfo) -> str:
    """By what it is searched: `minilm`, `minilm, then bge` while that one's vectors are computed, or words alone."""
    now = collection.model or "words alone"
    return f"{now}, then {collection.next_model}" if collection.next_model else now


def state_of(collection: CollectionInfo) -> str:
    """What goes on in it."""
    if collection.queued:
        return f"reading, {human.number(collection.queued)} left"
    if collection.busy:
        # Rounded down: what says 100% has to be done.
        return f"embedding, {int(100 * collection.embedded / collection.chunks)}%"
    return "ready"


def warn_of(collection: CollectionInfo) -> None:
    """Why nothing goes on, or what is missing, where there is something to say."""
    if collection.problem:
        output.warn(f"{collection.name}: {collection.problem} {collection.hint}".strip())
