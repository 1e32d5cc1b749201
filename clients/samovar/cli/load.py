"""`samovar load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.errors import interruptible
from samovar.cli.options import complete_model, duration, json_option, no_start_option

if TYPE_CHECKING:
    from samovar_protocol.values import MemoryEstimate


@click.command()
@click.argument("name", shell_complete=complete_model)
@click.option("--context", metavar="N", type=click.IntRange(1, 100_000_000), help="Tokens of context.")
@click.option("--ttl", type=duration, metavar="S", help="Unload after so long without use: 90, 10m, 2h. 0 is never.")
@click.option("--identifier", metavar="X", help="Another name for this instance, to use in requests.")
@click.option("--force", is_flag=True, help="Load even where the estimate says that it does not fit.")
@click.option("--estimate-only", is_flag=True, help="Only say how much memory it would take.")
@json_option
@no_start_option
def command(
    name: str,
    context: int | None,
    ttl: float | None,
    identifier: str | None,
    force: bool,
    estimate_only: bool,
    as_json: bool,
    no_start: bool,
) -> None:
    """Bring a model into memory.

    NAME is a key of `samovar ls`, or any unique part of one.
    """
    from samovar_protocol.requests import Load

    request = Load(
        name=name,
        context=context,
        ttl_seconds=ttl or None,
        identifier=identifier,
        force=force,
        estimate_only=estimate_only,
    )
    with interruptible(f"Loading was stopped; {name} is not in memory."):
        reply = session.follow(request, start=not no_start, label=name)
    if as_json:
        output.show_json(reply)
    elif reply.instance is None:
        _show_estimate(reply.estimate)
    else:
        instance = reply.instance
        how = "was already in memory" if reply.already_loaded else "is ready"
        memory = f", {human.size(instance.memory_bytes)}" if instance.memory_bytes else ""
        output.say(f"{instance.identifier} {how} ({instance.context_length} tokens of context{memory}).")


def _show_estimate(estimate: MemoryEstimate) -> None:
    fits = estimate.need_bytes <= estimate.free_bytes
    parts = {
        "weights": estimate.weights_bytes,
        "cache": estimate.cache_bytes,
        "buffers": estimate.buffer_bytes,
    }
    output.show_lines(
        [
            ("need", f"{human.size(estimate.need_bytes)} for {estimate.context_length} tokens of context"),
            ("of it", ", ".join(f"{human.size(amount)} {what}" for what, amount in parts.items())),
            ("free", human.size(estimate.free_bytes)),
            ("fits", "yes", "green") if fits else ("fits", "no", "red"),
        ]
    )
