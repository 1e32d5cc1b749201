"""`samovar server`: the local HTTP server and its tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

import click

from samovar.cli import exit_codes, human, output, session
from samovar.cli.options import duration, json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.values import TokenInfo

_LONGEST_LIFE = 100 * 365 * 86400
_SCOPES = ("chat", "embed", "documents", "models", "admin")
_COLUMNS = (
    Column("NAME"),
    Column("SCOPES"),
    Column("CREATED"),
    Column("EXPIRES"),
    Column("USED"),
    Column("STATE", styles={"revoked": "red", "expired": "red", "valid": "green"}),
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
@click.option(
    "--expires",
    "lifetime",
    type=duration,
    metavar="DURATION",
    help="Make it worthless after so long, e.g. 12h or 30d; without this it stays valid until it is revoked.",
)
@json_option
@no_start_option
def create(name: str, scopes: tuple[str, ...], lifetime: float | None, as_json: bool, no_start: bool) -> None:
    """Make a token and print it, this once.

    NAME is for you, to know it by. Only the token goes to stdout: `TOKEN=$(samovar server token create laptop)`.
    """
    if not name.strip():
        raise click.BadParameter("A token needs a name.", param_hint="NAME")
    if lifetime is not None and not 0 < lifetime <= _LONGEST_LIFE:
        raise click.BadParameter("It has to be more than 0, and 100 years at most.", param_hint="--expires")
    from samovar_protocol.requests import TokenCreate
    from samovar_protocol.values import Scope

    wanted: list[Scope] = [scope for scope in get_args(Scope) if scope in scopes]
    reply = session.call(TokenCreate(name=name, scopes=wanted, lifetime_seconds=lifetime), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    until = "" if reply.token.expires_at is None else f", valid until {human.moment(reply.token.expires_at)}"
    output.note(f"The token of {reply.token.name}{until}; keep it, it is not shown again:")
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
                "never" if found.expires_at is None else human.moment(found.expires_at),
                "never" if found.last_used_at is None else human.moment(found.last_used_at),
                _state(found),
            )
            for found in reply.tokens
        ],
    )


def _state(found: TokenInfo) -> str:
    # Where the name of an expired token was given to another, the two times are the same.
    if found.revoked_at is not None and found.revoked_at != found.expires_at:
        return "revoked"
    return "valid" if found.expires_at is None or found.expires_at > time.time() else "expired"


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
