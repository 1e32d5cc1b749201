"""Options and argument types that the subcommands of `samovar docs` share."""

from __future__ import annotations

import os
from pathlib import Path

import click

from samovar.cli.options import complete_collection

DEFAULT = "documents"
"""The collection that `add` and `watch` mean where none is named."""

collection_option = click.option(
    "-c",
    "--collection",
    metavar="NAME",
    default=DEFAULT,
    show_default=True,
    shell_complete=complete_collection,
    help="The collection.",
)
collections_option = click.option(
    "-c",
    "--collection",
    "collections",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_collection,
    help="Only this collection; repeatable. All without.",
)
one_or_all_option = click.option(
    "-c", "--collection", metavar="NAME", shell_complete=complete_collection, help="Only this collection. All without."
)


def absolute(path: Path) -> str:
    """`path` as it means the same to the agent, which has another current folder."""
    plain = Path(os.path.normpath(path.absolute()))
    # Behind a link to a folder, `..` is not the folder that the text suggests.
    return str(plain if plain.resolve() == path.resolve() else path.resolve())
