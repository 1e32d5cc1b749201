"""`samovar search`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.values import CatalogEntry, FileOption

FIT_WORDS = {"fits": "fits", "less-context": "fits with less context", "too-large": "too large"}
FIT_STYLES = {"fits": "green", "fits with less context": "yellow", "too large": "red"}

_FOUND = (
    Column("NAME", wrap=True),
    Column("PARAMS", right=True),
    Column("DOWNLOADS", right=True),
    Column("LIKES", right=True),
    Column("LICENCE"),
    Column("FILES", right=True),
    Column("THIS MACHINE", styles=FIT_STYLES),
)
_FILES = (
    Column("NAME", wrap=True),
    Column("SIZE", right=True),
    Column("PARTS", right=True),
    Column("THIS MACHINE", styles=FIT_STYLES),
    Column("", styles={"here": "green"}),
)
_ADDRESS = re.compile(r"(https?://|hf:|hf\.co/)\S+|[\w.-]+/[\w.-]+(@\S+)?")


@click.command()
@click.argument("query", nargs=-1)
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "updated", "trending"]),
    default="downloads",
    show_default=True,
    help="What comes first.",
)
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many."
)
@json_option
@no_start_option
def command(
    query: tuple[str, ...],
    sort: Literal["downloads", "likes", "updated", "trending"],
    limit: int,
    as_json: bool,
    no_start: bool,
) -> None:
    """Look for models in the catalog and on the hub.

    With a repository (user/name) or an address, shows every file that it can be downloaded as, with its size and
    whether it fits into this machine's memory. Without a network, shows what was found before, and how old that is.
    """
    from samovar_protocol.requests import Options, Search

    words = " ".join(query)
    if _ADDRESS.fullmatch(words):
        found = session.call(Options(name=words), start=not no_start)
        if as_json:
            output.show_json(found)
            return
        show_entry(found.entry)
        _show_note(found.note, found.as_of)
        return
    reply = session.call(Search(query=words, sort=sort, limit=limit), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if reply.results:
        output.show_table(_FOUND, [_row(entry) for entry in reply.results])
    else:
        output.note(f"Nothing was found for '{words}'.")
    _show_note(reply.note, reply.as_of)


def show_entry(entry: CatalogEntry) -> None:
    """One model and its files."""
    lines = [("Model", entry.key)]
    if entry.title and entry.title != entry.name:
        lines.append(("Title", entry.title))
    if entry.description:
        lines.append(("About", entry.description))
    lines.append(("Licence", entry.licence or "not stated"))
    if entry.parameters:
        lines.append(("Parameters", human.count(entry.parameters)))
    if entry.context_length:
        lines.append(("Context", f"{entry.context_length} tokens"))
    if entry.capabilities:
        lines.append(("Can", ", ".join(entry.capabilities)))
    if entry.gated:
        lines.append(("Gated", "its publisher asks you to agree to terms on the hub first, and for HF_TOKEN"))
    output.show_lines(lines)
    click.echo()
    output.show_table(_FILES, [_file_row(file, entry.recommended) for file in entry.files])


def fit(files: list[FileOption], recommended: str | None) -> str:
    """Whether the file that `get` would take fits; of several without a recommendation, the best."""
    fits = [file.fit for file in files if file.name == recommended and file.fit] or [f.fit for f in files if f.fit]
    return next((FIT_WORDS[word] for word in FIT_WORDS if word in fits), "-")


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    return (
        entry.key,
        human.count(entry.parameters) if entry.parameters else "-",
        human.count(entry.downloads) if entry.downloads is not None else "-",
        human.count(entry.likes) if entry.likes is not None else "-",
        entry.licence or "-",
        str(len(entry.files)) if entry.files else "-",
        fit(entry.files, entry.recommended),
    )


def _file_row(file: FileOption, recommended: str | None) -> tuple[str, ...]:
    return (
        file.name,
        human.size(file.size_bytes) if file.size_bytes else "-",
        str(file.parts),
        FIT_WORDS[file.fit] if file.fit else "-",
        "here" if file.present else "recommended" if file.name == recommended else "",
    )


def _show_note(note: str, as_of: float | None) -> None:
    if note:
        output.note(note)
