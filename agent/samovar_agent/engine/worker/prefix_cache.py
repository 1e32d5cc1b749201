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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from samovar_agent.engine.worker.prefix_tree import Match, PrefixTree


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


@dataclass(slots=True)
class CacheCounts:
    """What happened so far; see `wire.CacheChanged`. Each number is counted up by one thread at a time."""

    evictions: int = 0
    restored: int = 0
    saved: int = 0


class PrefixCache:
    """Gives out sequences, each with what is known of its prompt.

    - cells: tokens that fit into memory, shared ones counted once. - sequences: how many there can be.
    - keep_ends: what a request ended with is kept when another goes on from there; for memory that can be shared at
    its end only, where the next request may want to go on from the same place.

    `counts` is what happened to what it remembers.
    """

    def __init__(self, memory: Memory, *, cells: int, sequences: int, keep_ends: bool = False) -> None:
        self._memory = memory
        self._cells = cells
        self._keep_ends = keep_ends
        self._tree = PrefixTree()
        self._unused = list(range(sequences - 1, -1, -1))
        self._running: set[int] = set()
        self._finished: dict[int, None] = {}  # in the order of their last use
        self.counts = CacheCounts()

    @property
    def used(self) -> int:
        """Tokens in memory."""
        return self._tree.tokens

    @property
    def free(self) -> int:
        """Tokens that still fit, without forgetting anything."""
        return self._cells - self._tree.tokens

    @property
    def room(self) -> int:
        """Tokens that fit beside what runs."""
        return self._cells - self._tree.held(self._running)

    @property
    def idle(self) -> int:
        """Tokens in memory that nothing that runs uses."""
        return self.used - self._tree.held(self._running)

    def known(self, tokens: Sequence[int]) -> int:
        """How much of a prompt is in memory to go on from. Its last token always has to be computed, for its scores."""
        return self._match(tokens[:-1]).length

    def parting(self, tokens: Sequence[int]) -> int:
        """How many first tokens of a prompt some sequence has computed, whether they can be gone on from or not."""
        return self._tree.longest(tokens[:-1]).length

    def shared(self, tokens: Sequence[int]) -> int:
        """How much of what is known of a prompt takes no room, since something that runs uses it too."""
        length, holder = self._match(tokens[:-1])
        return min(length, self._tree.in_common(holder, self._running)) if holder is not None else 0

    def begin(self, tokens: Sequence[int]) -> tuple[int, int] | None:
        """A sequence for this prompt, and how many of its tokens are there already; None where all are in use."""
        length, holder = self._match(tokens[:-1])
        begun = self._continue(holder, length) if holder is not None else None
        if begun is None:
            sequence = self._free_one()
            if sequence is None:
                return None
            self._tree.extend(sequence, ())
            begun = sequence, 0
        self._running.add(begun[0])
        return begun

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

    def in_use(self, sequence: int) -> bool:
        """Whether all that a finished sequence holds belongs to something that runs too."""
        return self._tree.in_common(sequence, self._running) == self._tree.length(sequence)

    def forget(self, sequence: int) -> None:
        """Forget a finished sequence."""
        del self._finished[sequence]
        self._free(sequence)

    def forget_one(self) -> bool:
        """Forget the finished sequence that was used longest ago; False where there is none."""
        return self._evict()

    def end(self, sequence: int, *, keep: bool = True) -> None:
        """A request is over. - keep: remember what it has computed, as long as there is room."""
        self._running.remove(sequence)
        if keep and self._tree.length(sequence):
            self._remember(sequence)
        else:
            self._free(sequence)

    def checkpoint(self, sequence: int) -> None:
        """Remember a running sequence as it is now, for memory that cannot go back to it later."""
        length = self._tree.length(sequence)
        for match in self._tree.complete(self._tree.path(sequence)):
            if match.length == length and match.holder in self._finished:
                self._touch(match.holder)
                return
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
        if len(tokens) > self.room:
            return False
        self.make_room(len(tokens))
        sequence = self._free_one()
        if sequence is None:
            return False
        if not restore(sequence):
            self._unused.append(sequence)
            return False
        self._tree.extend(sequence, tokens)
        self._remember(sequence)
        return True

    def finished(self) -> list[tuple[int, list[int]]]:
        """What is remembered, most recently used first: sequence and tokens."""
        return [(sequence, self._tree.path(sequence)) for sequence in reversed(self._finished)]

    def _match(self, tokens: Sequence[int]) -> Match:
        """The longest prefix that can be gone on from."""
        match = self._tree.longest(tokens)
        if match.holder is None or self._memory.intact(match.holder, match.length):
            return match
        # Memory that cannot be cut back may still go on from what the prompt contains as a whole.
        return next(iter(self._tree.complete(tokens)), Match(0, None))

    def _remember(self, sequence: int) -> None:
        """Keep a sequence that nobody uses any more, unless it holds nothing of its own; and none that adds nothing."""
        tokens = self._tree.path(sequence)
        for match in self._tree.complete(tokens):
            if match.holder in self._finished and (match.length == len(tokens) or not self._keep_ends):
                self.forget(match.holder)
        longer = self._tree.longest(tokens, among=self._finished) if not self._keep_ends else Match(0, None)
        if longer.holder is not None and longer.length == len(tokens):
            self._touch(longer.holder)
            self._free(sequence)
        else:
            self._finished[sequence] = None

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
                self.counts.evictions += 1
                return True
        return False

    def _free(self, sequence: int) -> None:
        self._memory.forget(sequence)
        self._tree.remove(sequence)
        self._unused.append(sequence)

    def _touch(self, sequence: int) -> None:
        del self._finished[sequence]
        self._finished[sequence] = None
