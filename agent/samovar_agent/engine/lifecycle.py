"""The states of an instance and the ways between them; no process, no clock, no event loop.

starting ── loading ── ready ── unloading ── stopped
    └──────────┴─────────┴──── failed
"""

from __future__ import annotations

from samovar_protocol.values import InstanceState

TRANSITIONS: dict[InstanceState, frozenset[InstanceState]] = {
    "starting": frozenset({"loading", "unloading", "failed"}),
    "loading": frozenset({"ready", "unloading", "failed"}),
    "ready": frozenset({"unloading", "failed"}),
    "unloading": frozenset({"stopped"}),
    "stopped": frozenset(),
    "failed": frozenset(),
}
"""From each state, where it may go. A worker that dies while it unloads has done what was asked: "stopped"."""

ENDED: frozenset[InstanceState] = frozenset({"stopped", "failed"})
"""Nothing follows. A failed instance's process may still be on its way out."""


class Lifecycle:
    """One instance's state; only ways in the table are possible."""

    def __init__(self) -> None:
        self.state: InstanceState = "starting"

    def to(self, state: InstanceState) -> None:
        """Go to `state`; raises ValueError where the table has no such way, which is a defect of the caller."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"an instance cannot go from {self.state} to {state}")
        self.state = state

    @property
    def usable(self) -> bool:
        """Ready now, or going to be."""
        return self.state in ("starting", "loading", "ready")
