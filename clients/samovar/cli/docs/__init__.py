"""`samovar docs`: one module a subcommand, imported when it is used."""

from __future__ import annotations

import click

from samovar.cli.lazy import LazyGroup

SECTIONS: dict[str, dict[str, str]] = {
    "Questions": {
        "ask": "Answer a question from documents, with numbered sources.",
        "search": "Find passages by words and by meaning.",
    },
    "Documents": {
        "add": "Take files, folders or a text into a collection.",
        "ls": "List documents.",
        "show": "Print what a document says.",
        "rm": "Remove documents from a collection.",
        "retry": "Read again what failed.",
        "watch": "Keep a source in step with its folder, or no longer.",
    },
    "Collections": {
        "collections": "List collections and how far they are.",
        "create": "Make an empty collection.",
        "change": "Give a collection another name or embedding model.",
        "delete": "Remove a collection with all that was read.",
        "export": "Write a collection to one file.",
        "import": "Take in a file that `samovar docs export` wrote.",
    },
}
"""Every subcommand with its short help, as `samovar docs --help` shows them."""


@click.group(cls=LazyGroup, package="samovar.cli.docs", sections=SECTIONS)
def command() -> None:
    """Ask your documents, and see where the answer stands.

    A collection is a set of documents that are searched together. The agent reads them, on this machine and without
    the network, keeps them in step with their folders, and goes on with that when the command has ended.
    """
