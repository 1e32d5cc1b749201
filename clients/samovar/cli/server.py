"""`samovar server`: the local HTTP server and its tokens."""

from __future__ import annotations

from typing import get_args

import click

from samovar.cli import exit_codes, human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

_SCOPES = ("chat", "embed", "documents", "models", "admin")
_COLUMNS = (
    Column("NAME"),
    Column("SCOPES"),
    Column("CREATED"),
    Column("STATE", styles={"revoked": "red", "valid": "green"}),
)


@click.group()
def command() -> None:
    """The local HTTP server and its API tokens."""


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show where the server listens, or why it does not.

    Ends with exit code 3 where no agent runs, and with 1 where the server has a problem.
    """
    from samovar.cli.status import http_lines
    from samovar_protocol.requests import Status

    http = session.call(Status(), start=False).http
    if as_json:
        output.show_json(http)
    else:
        for line, colour in http_lines(http):
            output.say(line, colour)
    if http.problem:
        click.get_current_context().exit(exit_codes.FAILURE)


@command.group()
def token() -> None:
    """API tokens, for programs on other machines."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    default=("chat",),
    show_default=True,
    help="What it allows; repeatable. admin allows everything.",
)
@json_option
@no_start_option
def create(name: str, scopes: tuple[str, ...], as_json: bool, no_start: bool) -> None:
    """Make a token and print it, this once.

    NAME is for you, to know it by. Only the token goes to stdout: `TOKEN=$(samovar server token create laptop)`.
    """
    from samovar_protocol.requests import TokenCreate
    from samovar_protocol.values import Scope

    wanted: list[Scope] = [scope for scope in get_args(Scope) if scope in scopes]
    reply = session.call(TokenCreate(name=name, scopes=wanted), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    output.note(f"The token of {reply.token.name}; keep it, it is not shown again:")
    click.echo(reply.secret)


@token.command("ls")
@json_option
@no_start_option
def ls(as_json: bool, no_start: bool) -> None:
    """List the tokens, without their secrets."""
    from samovar_protocol.requests import TokenLs

    reply = session.call(TokenLs(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.tokens:
        output.note("There are no tokens. `samovar server token create NAME` makes one.")
        return
    output.show_table(
        _COLUMNS,
        [
            (
                found.name,
                ",".join(found.scopes),
                human.moment(found.created_at),
                "valid" if found.revoked_at is None else "revoked",
            )
            for found in reply.tokens
        ],
    )


@token.command()
@click.argument("name")
@json_option
@no_start_option
def revoke(name: str, as_json: bool, no_start: bool) -> None:
    """Make a token worthless at once, also where it is in use."""
    from samovar_protocol.requests import TokenRevoke

    reply = session.call(TokenRevoke(name=name), start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{reply.token.name} is revoked.")
