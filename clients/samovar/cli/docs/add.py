"""`samovar docs add`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from samovar.cli import exit_codes, human, output, session
from samovar.cli.docs.options import absolute, collection_option
from samovar.cli.errors import Interrupted
from samovar.cli.inputs import piped
from samovar.cli.options import json_option, no_start_option

if TYPE_CHECKING:
    from samovar_protocol.replies import DocsAddReply
    from samovar_protocol.requests import DocsAdd

_MOST_FAILED = 100
"""Of which the agent tells."""
_SHOWN = 20
"""So many problems are shown; of the others the number is said."""


@click.command("add")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@collection_option
@click.option("--text", metavar="TEXT|-", help="Add this text; - reads it from stdin.")
@click.option("--name", metavar="NAME", help="What to call the text.")
@click.option(
    "--exclude",
    "excludes",
    metavar="PATTERN",
    multiple=True,
    help="Leave this out of folders, as a line of a .gitignore does; repeatable.",
)
@click.option("--no-watch", is_flag=True, help="Read once, and do not follow changes.")
@click.option("--no-wait", is_flag=True, help="Come back as soon as the documents are queued.")
@json_option
@no_start_option
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    collection: str,
    text: str | None,
    name: str | None,
    excludes: tuple[str, ...],
    no_watch: bool,
    no_wait: bool,
    as_json: bool,
    no_start: bool,
) -> None:
    """Take files, folders or a text into a collection.

    The collection is made where there is none of that name. Changes in files and folders are followed from then on.
    Ctrl-C leaves the work to the agent. Ends with exit code 1 where a PATH itself could not be read; what cannot be
    read inside of folders is named, and the rest goes on.
    """
    from samovar_protocol.requests import DocsAdd

    if text is None and not paths:
        raise click.UsageError("There is nothing to add: give paths, or a text with --text.")
    if text is None and name is not None:
        raise click.UsageError("--name is for a text that is given with --text.")
    if text == "-":
        text = piped().decode(errors="replace")
    if text is not None and not text.strip():
        raise click.UsageError("The text is empty.")
    request = DocsAdd(
        collection=collection,
        paths=[absolute(path) for path in paths],
        text=text,
        name=name,
        excludes=list(excludes),
        watch=not no_watch,
        wait=not no_wait,
    )
    reply = _add(request, start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        _show(reply, waited=not no_wait)
    failed = any(document.state == "failed" for document in reply.documents)
    if failed or any(path in reply.problems for path in request.paths):
        ctx.exit(exit_codes.FAILURE)


def _add(request: DocsAdd, *, start: bool) -> DocsAddReply:
    told = False

    async def add() -> DocsAddReply:
        nonlocal told
        async with session.open_client(start=start) as client:
            told = True
            return await session.follow_with(client, request, label=request.collection)

    try:
        return session.run(add())
    except KeyboardInterrupt as error:
        goes_on = "The agent goes on with what it was told; `samovar docs collections` shows how far it is."
        raise Interrupted(goes_on if told else "Nothing was added.") from error


def _show(reply: DocsAddReply, *, waited: bool) -> None:
    parts = [f"{human.counted(reply.added, 'document')} {'added' if waited else 'queued'}"]
    if not (reply.added or reply.unchanged or reply.skipped or reply.problems):
        parts = ["nothing is there to be read"]
    if reply.unchanged:
        parts.append(f"{human.number(reply.unchanged)} unchanged")
    if reply.skipped:
        parts.append(f"{human.counted(reply.skipped, 'file')} of kinds that are not read")
    if reply.failed:
        more = "at least " if len(reply.failed) >= _MOST_FAILED else ""
        parts.append(f"{more}{human.number(len(reply.failed))} of the documents cannot be read")
    collection = reply.collection
    output.say(f"{collection.name}: {', '.join(parts)}.")
    problems = [f"{found.path or found.name}: {found.problem} {found.hint}".strip() for found in reply.failed]
    problems += [f"{path}: {problem}" for path, problem in sorted(reply.problems.items())]
    for problem in problems[:_SHOWN]:
        output.warn(problem)
    if problems[_SHOWN:]:
        output.warn(f"{human.number(len(problems) - _SHOWN)} more; `samovar docs ls --failed` shows them.")
    if collection.problem:
        output.warn(f"{collection.problem} {collection.hint}".strip())
