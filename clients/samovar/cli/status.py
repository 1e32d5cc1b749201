"""`samovar status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from samovar.cli import exit_codes, human, output, session
from samovar.cli.options import json_option

if TYPE_CHECKING:
    from samovar_protocol.replies import StatusReply
    from samovar_protocol.values import HttpInfo, InstanceInfo, NetworkInfo


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show the agent's state.

    Never starts the agent. Ends with exit code 3 where none runs; `--json` then prints {"running": false}.
    """
    import msgspec

    status = ask()
    if status is None:
        if as_json:
            output.show_json({"running": False})
        else:
            output.note("Samovar is not running. Start it with `samovar up`.")
        click.get_current_context().exit(exit_codes.NO_AGENT)
    if as_json:
        output.show_json({"running": True, **msgspec.to_builtins(status)})
        return
    output.show_lines(
        [
            ("agent", f"{status.version}, pid {status.pid}, up {human.duration(time.time() - status.started_at)}"),
            ("memory", f"{human.size(status.memory_bytes)} without the models"),
            ("home", status.home),
            *[("http", line, colour) for line, colour in http_lines(status.http)],
            ("network", network_line(status.network)),
            ("models", _models_line(status)),
            *[("in memory", _instance_line(instance)) for instance in status.instances],
        ]
    )


def ask() -> StatusReply | None:
    """The agent's state, or None where none runs."""
    from samovar_protocol import FailureCode, SamovarError
    from samovar_protocol.requests import Status

    try:
        return session.call(Status(), start=False)
    except SamovarError as error:
        if error.code == FailureCode.AGENT_NOT_RUNNING:
            return None
        raise


def http_lines(http: HttpInfo) -> list[tuple[str, str | None]]:
    """Where it listens, and what is wrong; each with its colour."""
    lines: list[tuple[str, str | None]] = [(url, None) for url in http.urls]
    if http.unix_socket:
        lines.append((f"unix:{http.unix_socket}", None))
    if http.problem:
        lines.append((http.problem, "yellow"))
    return lines or [("not listening", None)]


def network_line(network: NetworkInfo) -> str:
    allowed = {
        "online": "online: downloads and refreshes may leave this machine",
        "ask": "ask: only what you ask for may leave this machine",
        "offline": "offline: nothing may leave this machine",
    }[network.policy]
    return allowed if network.connected else f"{allowed}; there is no network now"


def _models_line(status: StatusReply) -> str:
    if not status.models:
        return "none yet; `samovar get smollm2-135m` downloads a small one"
    in_memory = len(status.instances)
    return f"{status.models} on this machine, {in_memory or 'none'} in memory"


def _instance_line(instance: InstanceInfo) -> str:
    parts = [f"{instance.identifier} {instance.state}"]
    if instance.state == "loading":
        parts.append(f"{100 * instance.progress:.0f}%")
    if instance.memory_bytes:
        parts.append(human.size(instance.memory_bytes))
    if instance.active or instance.queued:
        parts.append(f"{instance.active} active, {instance.queued} waiting")
    if instance.problem:
        parts.append(instance.problem)
    return ", ".join(parts)
