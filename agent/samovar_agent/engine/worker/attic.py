"""Prefixes that are remembered outside of the model's memory, where they slow nobody down.

llama.cpp's attention looks at every cell in use, also at those that it then skips: a thousand remembered tokens cost a
prompt of a thousand about 0.3 s on two cores, and copying them out and back a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from samovar_agent.engine.worker.prefix_tree import shared_prefix


@dataclass(frozen=True, slots=True)
class Parked:
    """A prefix and the state that it led to."""

    tokens: list[int] = field(repr=False)
    state: bytes | bytearray = field(repr=False)


class Attic:
    """The prefixes used most recently, within a budget.

    attic.put(tokens, state)            # what had to go for it
    attic.nearest(prompt)               # (the one that shares most with a prompt, how many tokens)
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._parked: list[Parked] = []  # in the order of their last use

    def put(self, tokens: list[int], state: bytes | bytearray) -> list[Parked]:
        """Keep a prefix; returns those that have no room any more, perhaps this one. One that it contains is gone."""
        kept: list[Parked] = []
        for parked in self._parked:
            common = shared_prefix(parked.tokens, tokens)
            if common == len(tokens):
                tokens, state = parked.tokens, parked.state  # there is a longer one, which is used now
            elif common < len(parked.tokens):
                kept.append(parked)
        self._parked = [*kept, Parked(tokens, state)]
        gone: list[Parked] = []
        while sum(len(parked.state) for parked in self._parked) > self.budget_bytes:
            gone.append(self._parked.pop(0))
        return gone

    def nearest(self, tokens: Sequence[int]) -> tuple[Parked, int] | None:
        """The prefix that shares the most first tokens with `tokens`, and how many; None where none does."""
        best = max(
            ((parked, shared_prefix(parked.tokens, tokens)) for parked in self._parked),
            key=lambda match: (match[1], -len(match[0].state)),
            default=None,
        )
        return best if best is not None and best[1] else None

    def take(self, parked: Parked) -> None:
        """Give one away: it is in the model's memory again."""
        self._parked.remove(parked)

    def all(self) -> list[Parked]:
        """Everything, most recently used first."""
        return self._parked[::-1]
