"""What stays in memory of finished requests, so that nothing is computed twice.

A request begins with the longest prefix that any sequence, running or finished, has computed; the cells are shared and
not copied. When room runs out, the finished sequence that was used longest ago goes first. Decisions only: what is done
to the model's memory goes through `Memory`.

    cache = PrefixCache(memory, cells=8192, sequences=32)
    sequence, known = cache.begin(tokens)       # known tokens need no computing
    cache.make_room(len(tokens) - known)
    cache.computed(sequence, tokens[known:])
    cache.end(sequence)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from samovar_agent.engine.worker.prefix_tree import PrefixTree


class Memory(Protocol):
    """The model's memory, by sequences; see `llama_memory_seq_*`."""

    def share(self, source: int, target: int, length: int) -> bool:
        """Let the empty sequence `target` begin with the first tokens of `source`; False where that cannot be."""

    def truncate(self, sequence: int, length: int) -> bool:
        """Forget all but the first tokens; False where this kind of memory cannot go back."""

    def forget(self, sequence: int) -> None:
        """Forget all of a sequence."""


class PrefixCache:
    """Gives out sequences, each with what is known of its prompt.

    - cells: tokens that fit into memory, shared ones counted once. - sequences: how many there can be.
    """

    def __init__(self, memory: Memory, *, cells: int, sequences: int) -> None:
        self._memory = memory
        self._cells = cells
        self._tree = PrefixTree()
        self._unused = list(range(sequences - 1, -1, -1))
        self._finished: dict[int, None] = {}  # in the order of their last use

    @property
    def used(self) -> int:
        """Tokens in memory."""
        return self._tree.tokens

    def known(self, tokens: Sequence[int]) -> int:
        """How much of a prompt is in memory now. Its last token always has to be computed, for its scores."""
        return self._tree.longest(tokens[:-1]).length

    def begin(self, tokens: Sequence[int]) -> tuple[int, int] | None:
        """A sequence for this prompt, and how many of its tokens are there already; None where all are in use."""
        length, holder = self._tree.longest(tokens[:-1])
        if holder is not None and holder in self._finished:
            if length == self._tree.length(holder):
                del self._finished[holder]  # it simply goes on
                return holder, length
            self._touch(holder)
        sequence = self._free_one(keep=holder)
        if sequence is not None and holder is not None and self._memory.share(holder, sequence, length):
            self._tree.share(holder, sequence, length)
            return sequence, length
        if (taken := self._take_back(holder, length)) is not None:
            if sequence is not None:
                self._unused.append(sequence)
            return taken
        if sequence is None:
            sequence = self._free_one()
        if sequence is None:
            return None
        self._tree.extend(sequence, ())
        return sequence, 0

    def computed(self, sequence: int, tokens: Sequence[int]) -> None:
        """A sequence has grown by `tokens`."""
        self._tree.extend(sequence, tokens)

    def rewind(self, sequence: int, length: int) -> bool:
        """A sequence forgets all but its first tokens; False where its memory cannot."""
        if not self._memory.truncate(sequence, length):
            return False
        self._tree.truncate(sequence, length)
        return True

    def make_room(self, count: int) -> bool:
        """Forget finished sequences until `count` more tokens fit; False where even that is not enough."""
        while self.used + count > self._cells:
            if not self._evict():
                return False
        return True

    def end(self, sequence: int, *, keep: bool = True) -> None:
        """A request is over. - keep: remember what it has computed, as long as there is room."""
        if keep and self._tree.length(sequence):
            self._finished[sequence] = None
        else:
            self._free(sequence)

    def finished(self) -> list[tuple[int, list[int]]]:
        """What is remembered, most recently used first: sequence and tokens."""
        return [(sequence, self._tree.path(sequence)) for sequence in reversed(self._finished)]

    def _free_one(self, *, keep: int | None = None) -> int | None:
        """A sequence that nobody uses, if need be that of a finished request other than `keep`."""
        if not self._unused and not self._evict(keep=keep):
            return None
        return self._unused.pop()

    def _take_back(self, holder: int | None, length: int) -> tuple[int, int] | None:
        """Continue a finished sequence from an earlier point, losing the rest of it."""
        if holder is None or holder not in self._finished or not self.rewind(holder, length):
            return None
        del self._finished[holder]
        return holder, length

    def _evict(self, *, keep: int | None = None) -> bool:
        for sequence in self._finished:
            if sequence != keep:
                del self._finished[sequence]
                self._free(sequence)
                return True
        return False

    def _free(self, sequence: int) -> None:
        self._memory.forget(sequence)
        self._tree.remove(sequence)
        self._unused.append(sequence)

    def _touch(self, sequence: int) -> None:
        del self._finished[sequence]
        self._finished[sequence] = None
