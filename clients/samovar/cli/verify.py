"""`samovar verify`."""

from __future__ import annotations

import click

from samovar.cli import exit_codes, output, session
from samovar.cli.errors import interruptible
from samovar.cli.options import complete_model, json_option, no_start_option
from samovar.cli.output import Column

_COLUMNS = (
    Column("NAME", wrap=True),
    Column("OUTCOME", styles={"ok": "green", "changed": "red", "broken": "red", "missing": "red"}),
    Column("SHA-256"),
)


@click.command()
@click.argument("name", required=False, shell_complete=complete_model)
@json_option
@no_start_option
@click.pass_context
def command(ctx: click.Context, name: str | None, as_json: bool, no_start: bool) -> None:
    """Read models from the disk again and compare their digests.

    All of them without NAME. Ends with exit code 1 where one is not as it was.
    """
    from samovar_protocol.requests import Verify

    with interruptible("Verifying was stopped."):
        reply = session.follow(Verify(name=name), start=not no_start, label=name or "all models")
    if as_json:
        output.show_json(reply)
    elif reply.models:
        output.show_table(_COLUMNS, [(found.key, found.outcome, (found.sha256 or "-")[:16]) for found in reply.models])
        for found in reply.models:
            if found.problem:
                output.warn(f"{found.key}: {found.problem}")
    else:
        output.note("There are no models yet.")
    if any(found.outcome not in ("ok", "recorded") for found in reply.models):
        ctx.exit(exit_codes.FAILURE)
