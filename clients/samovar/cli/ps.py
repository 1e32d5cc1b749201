"""`samovar ps`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session, terminal
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
    Column("TOKENS/S", right=True),
    Column("CACHED", right=True),
    Column("DRAFTS", right=True),
    Column("TTL"),
)


_MEASURED = frozenset({"TOKENS/S", "CACHED", "DRAFTS"})


@click.command()
@json_option
@no_start_option
def command(as_json: bool, no_start: bool) -> None:
    """List the models in memory.

    ACTIVE counts the requests that run, and +N those that wait.
    TOKENS/S is the speed of the last reply. CACHED is the share of all prompts that was in memory already, DRAFTS the
    share of the tokens guessed ahead that were right. TTL is the time left until a model that nobody uses is unloaded.
    """
    from samovar_protocol.requests import Ps

    reply = session.call(Ps(), start=not no_start)
    if as_json:
        output.show_json(reply)
        return
    if not reply.instances:
        output.note("No model is in memory. `samovar load NAME` or the first question brings one in.")
        return
    rows = [_row(instance) for instance in reply.instances]
    columns = list(range(len(_COLUMNS)))
    if terminal.stdout_is_terminal():  # which is narrow; programs get the same columns each time
        if all(instance.model == instance.identifier for instance in reply.instances):
            columns = [at for at in columns if _COLUMNS[at].title != "MODEL"]
        columns = [at for at in columns if _COLUMNS[at].title not in _MEASURED or any(row[at] != "-" for row in rows)]
    output.show_table([_COLUMNS[at] for at in columns], [[row[at] for at in columns] for row in rows])


def _row(instance: InstanceInfo) -> tuple[str, ...]:
    return (
        instance.identifier,
        instance.model,
        instance.state if instance.state != "loading" else f"loading {100 * instance.progress:.0f}%",
        str(instance.context_length or "-"),
        human.size(instance.memory_bytes) if instance.memory_bytes else "-",
        f"{instance.active}+{instance.queued}" if instance.queued else str(instance.active),
        _speed(instance),
        _share(instance.cached_tokens, instance.prompt_tokens),
        _share(instance.accepted_tokens, instance.drafted_tokens),
        _time_left(instance),
    )


def _speed(instance: InstanceInfo) -> str:
    speed = instance.last.tokens_per_second if instance.last is not None else 0.0
    return f"{speed:.1f}" if speed else "-"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%" if whole else "-"


def _time_left(instance: InstanceInfo) -> str:
    if instance.ttl_seconds is None:
        return "never"
    since = instance.last_used_at or instance.loaded_at
    if instance.active or since is None:
        return human.duration(instance.ttl_seconds)
    return human.duration(since + instance.ttl_seconds - time.time())
