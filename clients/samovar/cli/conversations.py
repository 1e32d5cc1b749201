"""`samovar conversations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session, terminal
from samovar.cli.options import complete_collection, json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.documents import ConversationInfo, ConversationMessage

_COLUMNS = (
    Column("ID", right=True),
    Column("TITLE", wrap=True),
    Column("CHANGED"),
    Column("MODEL", wrap=True),
    Column("DOCUMENTS", wrap=True),
)
_DEFAULT_LIMIT = 100


@click.group(invoke_without_command=True)
@json_option
@no_start_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, no_start: bool) -> None:
    """Conversations that are kept.

    `samovar chat --keep` begins one, `samovar chat --conversation ID` goes on with it; every client sees the same.
    Without a subcommand, lists them.
    """
    if ctx.invoked_subcommand is None:
        _list(_DEFAULT_LIMIT, as_json=as_json, no_start=no_start)


@command.command()
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=_DEFAULT_LIMIT,
    show_default=True,
    help="At most so many.",
)
@json_option
@no_start_option
def ls(limit: int, as_json: bool, no_start: bool) -> None:
    """List conversations, the last changed first."""
    _list(limit, as_json=as_json, no_start=no_start)


@command.command()
@click.argument("id_", metavar="ID", type=int)
@json_option
@no_start_option
def show(id_: int, as_json: bool, no_start: bool) -> None:
    """Print a conversation."""
    from samovar_protocol.requests import ConversationShow

    reply = session.call(ConversationShow(id=id_), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    _show_head(reply.conversation)
    for message in reply.messages:
        click.echo()
        _show_message(message)


@command.command()
@click.argument("id_", metavar="ID", type=int)
@click.argument("title", nargs=-1, required=True)
@json_option
@no_start_option
def rename(id_: int, title: tuple[str, ...], as_json: bool, no_start: bool) -> None:
    """Give a conversation another title."""
    from samovar_protocol.requests import ConversationRename

    words = " ".join(title).strip()
    if not words:
        raise click.UsageError("The title is empty.")
    reply = session.call(ConversationRename(id=id_, title=words), start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"Conversation {id_} is called “{reply.conversation.title}”.")


@command.command()
@click.argument("id_", metavar="ID", type=int)
@click.option(
    "-c",
    "--collection",
    "collections",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_collection,
    help="Ask this collection from now on, and no others; repeatable.",
)
@click.option("--no-docs", is_flag=True, help="Ask the model alone from now on.")
@json_option
@no_start_option
def docs(id_: int, collections: tuple[str, ...], no_docs: bool, as_json: bool, no_start: bool) -> None:
    """Change what documents a conversation asks."""
    from samovar_protocol.requests import ConversationChange

    if bool(collections) == no_docs:
        raise click.UsageError("Name collections with -c, or give --no-docs.")
    reply = session.call(ConversationChange(id=id_, collections=list(collections)), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    asked = ", ".join(reply.conversation.collections)
    output.say(f"Conversation {id_} asks {asked or 'the model alone'}.")


@command.command()
@click.argument("id_", metavar="ID", type=int)
@json_option
@no_start_option
def rm(id_: int, as_json: bool, no_start: bool) -> None:
    """Remove a conversation with its messages."""
    from samovar_protocol import FailureCode, SamovarError
    from samovar_protocol.requests import ConversationDelete

    reply = session.call(ConversationDelete(id=id_), start=not no_start)
    if not reply.found:
        raise SamovarError(
            FailureCode.NOT_FOUND, f"There is no conversation {id_}.", hint="`samovar conversations` lists them."
        )
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"Conversation {id_} was removed.")


def _list(limit: int, *, as_json: bool, no_start: bool) -> None:
    from samovar_protocol.requests import Conversations

    reply = session.call(Conversations(limit=limit), start=not no_start)
    if as_json:
        output.show_json(reply)
    elif reply.conversations:
        output.show_table(
            _COLUMNS,
            [
                (
                    str(found.id),
                    found.title or "-",
                    human.moment(found.changed_at),
                    found.model or "-",
                    ", ".join(found.collections) or "-",
                )
                for found in reply.conversations
            ],
        )
    else:
        output.note("No conversation is kept. `samovar chat --keep` begins one.")


def _show_head(conversation: ConversationInfo) -> None:
    lines = [("Title", conversation.title or "-"), ("Changed", human.moment(conversation.changed_at))]
    if conversation.collections:
        lines.append(("Documents", ", ".join(conversation.collections)))
    output.show_lines(lines)


def _show_message(message: ConversationMessage) -> None:
    from samovar.cli.sources import show_citations

    who = {"user": "You", "system": "System", "tool": "Tool"}.get(message.message.role, message.model or "Model")
    output.say(f"{who}:", "cyan")
    for attachment in message.attachments:
        output.say(f"(with {attachment.name})")
    terminal.write(f"{message.message.content}\n")
    if message.citations:
        show_citations(message.citations)
