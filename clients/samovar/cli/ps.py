"""`samovar ps`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.values import InstanceInfo

_COLUMNS = (
    Column("IDENTIFIER", wrap=True),
    Column("MODEL", wrap=True),
    Column("STATE", styles={"ready": "green", "failed": "red"}),
    Column("CONTEXT", right=True),
    Column("MEMORY", right=True),
    Column("ACTIVE", right=True),
    Column("TTL"),
)


@click.command()
@json_option
@no_start_option
def command(as_json: bool, no_start: bool) -> None:
    """List the models in memory.

    TTL is the time left until a model that nobody uses is unloaded.
    """
    from samovar_protocol.requests import Ps

    reply = session.call(Ps(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.instances:
        output.note("No model is in memory. `samovar load NAME` or the first question brings one in.")
        return
    output.show_table(_COLUMNS, [_row(instance) for instance in reply.instances])


def _row(instance: InstanceInfo) -> tuple[str, ...]:
    return (
        instance.identifier,
        instance.model,
        instance.state if instance.state != "loading" else f"loading {100 * instance.progress:.0f}%",
        str(instance.context_length or "-"),
        human.size(instance.memory_bytes) if instance.memory_bytes else "-",
        f"{instance.active}+{instance.queued}" if instance.queued else str(instance.active),
        _time_left(instance),
    )


def _time_left(instance: InstanceInfo) -> str:
    if instance.ttl_seconds is None:
        return "never"
    since = instance.last_used_at or instance.loaded_at
    if instance.active or since is None:
        return human.duration(instance.ttl_seconds)
    return human.duration(since + instance.ttl_seconds - time.time())
