"""How much memory there is for one more model, and who makes room for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from samovar_agent.engine.instance import Instance
from samovar_agent.engine.machine import available_bytes
from samovar_protocol.values import MemoryEstimate


def free_bytes(path: str, instances: Collection[Instance]) -> int:
    """Memory for a model from this file, whose own pages, where they are in memory already, it may take."""
    promised = sum(one.promised_bytes for one in instances if one.usable)
    # Mapped weights count as available to the machine, but to take them would mean to read them again and again.
    return max(0, available_bytes() - promised - _weights(instances, besides=path))


def idle_to_make_room(need: MemoryEstimate, path: str, instances: Collection[Instance]) -> Instance | None:
    """The instance that nobody has used for longest; None where even without all idle ones it would not fit."""
    idle = sorted((one for one in instances if one.idle), key=lambda one: one.last_used)
    private = sum(one.private_bytes + one.promised_bytes for one in idle)
    weights = _weights(instances, besides=path)
    kept = _weights((one for one in instances if one not in idle), besides=path)
    if need.need_bytes > need.free_bytes + private + weights - kept:
        return None
    return idle[0] if idle else None


def _weights(instances: Iterable[Instance], *, besides: str) -> int:
    """Pages of these instances' files, which several instances of a file share. - besides: not of this file."""
    files: dict[str, int] = {}
    for one in instances:
        weights = one.estimate.weights_bytes if one.coming else one.weights_in_memory
        files[one.path] = max(files.get(one.path, 0), weights)
    files.pop(besides, None)
    return sum(files.values())
