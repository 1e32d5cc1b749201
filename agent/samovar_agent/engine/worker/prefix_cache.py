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

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from samovar_agent.engine.worker.prefix_tree import PrefixTree


class Memory(Protocol):
    """The model's memory, by sequences; see `llama_memory_seq_*`."""

    def intact(self, sequence: int, length: int) -> bool:
        """Whether the first tokens of a sequence are there to go on from."""

    def share(self, source: int, target: int, length: int) -> bool:
        """Let the empty sequence `target` begin with the first tokens of `source`; False where that cannot be."""

    def truncate(self, sequence: int, length: int) -> bool:
        """Forget all but the first tokens; False where this kind of memory cannot go back."""

    def forget(self, sequence: int) -> None:
        """Forget all of a sequence."""


class PrefixCache:
    """Gives out sequences, each with what is known of its prompt.

    - cells: tokens that fit into memory, shared ones counted once. - sequences: how many there can be.
    - keep_ends: what a request ended with is kept when another goes on from there; for memory that can be shared at
    its end only, where the next request may want to go on from the same place.
    """

    def __init__(self, memory: Memory, *, cells: int, sequences: int, keep_ends: bool = False) -> None:
        self._memory = memory
        self._cells = cells
        self._keep_ends = keep_ends
        self._tree = PrefixTree()
        self._unused = list(range(sequences - 1, -1, -1))
        self._finished: dict[int, None] = {}  # in the order of their last use

    @property
    def used(self) -> int:
        """Tokens in memory."""
        return self._tree.tokens

    @property
    def free(self) -> int:
        """Tokens that still fit, without forgetting anything."""
        return self._cells - self._tree.tokens

    def known(self, tokens: Sequence[int]) -> int:
        """How much of a prompt is in memory now. Its last token always has to be computed, for its scores."""
        return self._tree.longest(tokens[:-1]).length

    def begin(self, tokens: Sequence[int]) -> tuple[int, int] | None:
        """A sequence for this prompt, and how many of its tokens are there already; None where all are in use."""
        tokens = tokens[:-1]
        length, holder = self._tree.longest(tokens)
        if holder is not None and not self._memory.intact(holder, length):
            # Memory that cannot be cut back may still go on from what the prompt contains as a whole.
            length, holder = self._tree.complete(tokens)
        if holder is not None and length and (begun := self._continue(holder, length)) is not None:
            return begun
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

    def could_fit(self, count: int, running: Collection[int]) -> bool:
        """Whether `count` more tokens would fit beside what these sequences hold."""
        return self._tree.held(running) + count <= self._cells

    def make_room(self, count: int) -> bool:
        """Forget finished sequences until `count` more tokens fit; False where even that is not enough."""
        while self.used + count > self._cells:
            if not self._evict():
                return False
        return True

    def own(self, sequence: int) -> int:
        """Tokens that only this sequence holds."""
        return self._tree.own(sequence)

    def forget(self, sequence: int) -> None:
        """Forget a finished sequence."""
        del self._finished[sequence]
        self._free(sequence)

    def forget_one(self) -> bool:
        """Forget the finished sequence that was used longest ago; False where there is none."""
        return self._evict()

    def end(self, sequence: int, *, keep: bool = True) -> None:
        """A request is over. - keep: remember what it has computed, as long as there is room."""
        if keep and self._tree.length(sequence):
            self._finished[sequence] = None
        else:
            self._free(sequence)

    def checkpoint(self, sequence: int) -> None:
        """Remember a running sequence as it is now, for memory that cannot go back to it later."""
        length = self._tree.length(sequence)
        target = self._free_one()
        if target is None:
            return
        if length and self._memory.share(sequence, target, length):
            self._tree.share(sequence, target, length)
            self._finished[target] = None
        else:
            self._unused.append(target)

    def adopt(self, tokens: Sequence[int], restore: Callable[[int], bool]) -> bool:
        """Remember `tokens` as if a request had computed them; `restore` puts their state into the given sequence."""
        if not self.make_room(len(tokens)):
            return False
        sequence = self._free_one()
        if sequence is None:
            return False
        if not restore(sequence):
            self._unused.append(sequence)
            return False
        self._tree.extend(sequence, tokens)
        self._finished[sequence] = None
        return True

    def finished(self) -> list[tuple[int, list[int]]]:
        """What is remembered, most recently used first: sequence and tokens."""
        return [(sequence, self._tree.path(sequence)) for sequence in reversed(self._finished)]

    def _continue(self, holder: int, length: int) -> tuple[int, int] | None:
        """A sequence that begins with the first tokens of `holder`; None where its memory cannot."""
        if holder in self._finished:
            if length == self._tree.length(holder) and not self._keep_ends:
                del self._finished[holder]  # it simply goes on
                return holder, length
            self._touch(holder)
        sequence = self._free_one(keep=holder)
        if sequence is not None:
            if self._memory.share(holder, sequence, length):
                self._tree.share(holder, sequence, length)
                return sequence, length
            self._unused.append(sequence)
        if holder in self._finished and self.rewind(holder, length):
            del self._finished[holder]
            return holder, length
        return None

    def _free_one(self, *, keep: int | None = None) -> int | None:
        """A sequence that nobody uses, if need be that of a finished request other than `keep`."""
        if not self._unused and not self._evict(keep=keep):
            return None
        return self._unused.pop()

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
