"""`samovar downloads`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column
from samovar.cli.progress import detail

if TYPE_CHECKING:
    from samovar_protocol.replies import DownloadReply
    from samovar_protocol.requests import Request
    from samovar_protocol.values import DownloadInfo

_COLUMNS = (
    Column("ID", right=True),
    Column("NAME", wrap=True),
    Column("STATE", styles={"done": "green", "failed": "red", "running": "green", "waiting": "yellow"}),
    Column("FROM"),
    Column("PROGRESS"),
    Column("SINCE"),
)


@click.group(invoke_without_command=True)
@json_option
@no_start_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, no_start: bool) -> None:
    """Show downloads, pause, resume and cancel them.

    The agent owns downloads, so that they outlive the command that began them. Without a subcommand, lists them.
    """
    if ctx.invoked_subcommand is None:
        _show(as_json=as_json, no_start=no_start)


@command.command()
@json_option
@no_start_option
def ls(as_json: bool, no_start: bool) -> None:
    """List downloads, newest first."""
    _show(as_json=as_json, no_start=no_start)


@command.command()
@click.argument("id_", metavar="ID", type=int)
@json_option
@no_start_option
def pause(id_: int, as_json: bool, no_start: bool) -> None:
    """Stop a download and keep what came."""
    from samovar_protocol.requests import DownloadPause

    _do(DownloadPause(id=id_), as_json=as_json, no_start=no_start)


@command.command()
@click.argument("id_", metavar="ID", type=int)
@json_option
@no_start_option
def resume(id_: int, as_json: bool, no_start: bool) -> None:
    """Go on with a download that was paused or failed."""
    from samovar_protocol.requests import DownloadResume

    _do(DownloadResume(id=id_), as_json=as_json, no_start=no_start)


@command.command()
@click.argument("id_", metavar="ID", type=int)
@json_option
@no_start_option
def cancel(id_: int, as_json: bool, no_start: bool) -> None:
    """End a download and delete what came."""
    from samovar_protocol.requests import DownloadCancel

    _do(DownloadCancel(id=id_), as_json=as_json, no_start=no_start)


def _show(*, as_json: bool, no_start: bool) -> None:
    from samovar_protocol.requests import DownloadLs

    reply = session.call(DownloadLs(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.downloads:
        output.note("There are no downloads. `samovar get NAME` begins one.")
        return
    output.show_table(
        _COLUMNS,
        [
            (
                str(found.id),
                found.name,
                found.state,
                found.source or "-",
                detail(found.progress) if found.progress else "-",
                human.moment(found.created_at),
            )
            for found in reply.downloads
        ],
    )
    for found in reply.downloads:
        if found.problem and found.state in ("failed", "waiting"):
            output.warn(f"{found.id}: {_why(found)}")


def _do(request: Request[DownloadReply], *, as_json: bool, no_start: bool) -> None:
    reply = session.call(request, start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        found = reply.download
        output.say(f"{found.name}: {found.state}" + (f" ({detail(found.progress)})" if found.progress else ""))


def _why(found: DownloadInfo) -> str:
    return f"{found.problem} {found.hint}".strip()
