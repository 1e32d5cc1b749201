"""`samovar ls`."""

from __future__ import annotations

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

_COLUMNS = (
    Column("NAME", wrap=True),
    Column("SIZE", right=True),
    Column("PARAMS", right=True),
    Column("QUANT"),
    Column("CONTEXT", right=True),
    Column("FROM"),
    Column("STATE", styles={"loaded": "green", "broken": "red", "missing": "red", "partial": "yellow"}),
)


@click.command()
@json_option
@no_start_option
def command(as_json: bool, no_start: bool) -> None:
    """List the models on this machine."""
    from samovar_protocol.requests import Ls

    reply = session.call(Ls(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.models:
        output.note("There are no models yet. `samovar get smollm2-135m` downloads a small one.")
        return
    output.show_table(
        _COLUMNS,
        [
            (
                model.key,
                human.size(model.size_bytes),
                human.count(model.parameters) if model.parameters else "-",
                model.quantization or "-",
                str(model.context_length or "-"),
                model.origin,
                "loaded" if model.loaded and model.state == "ready" else model.state,
            )
            for model in reply.models
        ],
    )
    for model in reply.models:
        if model.problem:
            output.warn(f"{model.key}: {model.problem}")
