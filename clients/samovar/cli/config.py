"""`samovar config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from samovar_protocol.replies import ConfigReply

Value = str | int | float | bool | list[str]
_COLUMNS = (Column("SETTING"), Column("VALUE"), Column("DEFAULT"), Column("ABOUT", wrap=True))


def _complete_key(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from samovar.cli.options import COMPLETION_SECONDS
    from samovar_protocol import SamovarError
    from samovar_protocol.requests import ConfigLs

    try:
        settings = session.call(ConfigLs(), start=False, timeout=COMPLETION_SECONDS).settings
    except (SamovarError, OSError, TimeoutError):
        return []
    return [CompletionItem(found.key, help=found.about) for found in settings if found.key.startswith(incomplete)]


@click.group()
def command() -> None:
    """Read and change settings.

    They live in config.toml; a change keeps the comments in it.
    """


@command.command()
@click.argument("key", shell_complete=_complete_key)
@json_option
@no_start_option
def get(key: str, as_json: bool, no_start: bool) -> None:
    """Print the value of a setting."""
    from samovar_protocol.requests import ConfigGet

    reply = session.call(ConfigGet(key=key), start=not no_start)
    if as_json:
        output.show_json(reply)
    else:
        click.echo(text(reply.setting.value))


@command.command("set")
@click.argument("key", shell_complete=_complete_key)
@click.argument("value", required=False)
@click.option("--default", "to_default", is_flag=True, help="Return it to its default.")
@json_option
@no_start_option
def set_(key: str, value: str | None, to_default: bool, as_json: bool, no_start: bool) -> None:
    """Change a setting.

    Lists are written with commas: `samovar config set server.hosts 127.0.0.1,::1`.
    """
    from samovar_protocol.requests import ConfigSet

    if (value is None) != to_default:
        raise click.UsageError("Give a value, or say --default.")
    show_changed(session.call(ConfigSet(key=key, value=value), start=not no_start), as_json=as_json)


@command.command("ls")
@json_option
@no_start_option
def ls(as_json: bool, no_start: bool) -> None:
    """List all settings; the default is shown where the value is another."""
    from samovar_protocol.requests import ConfigLs

    reply = session.call(ConfigLs(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    output.show_table(
        _COLUMNS,
        [
            (
                found.key,
                text(found.value) or '""',
                "" if found.value == found.default else text(found.default),
                found.about,
            )
            for found in reply.settings
        ],
    )


def show_changed(reply: ConfigReply, *, as_json: bool) -> None:
    """Print a setting after its change."""
    if as_json:
        output.show_json(reply)
    else:
        click.echo(f"{reply.setting.key} = {text(reply.setting.value)}")
    if reply.restart_needed:
        output.note("It takes effect at the agent's next start: `samovar down`, then `samovar up`.")


def text(value: Value) -> str:
    """A value as `config set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)
