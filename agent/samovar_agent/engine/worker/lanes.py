"""Several texts at a time, each on a core of its own.

lanes = Lanes(model, options, interrupt)
groups = lanes.groups([len(tokens) for tokens in texts])
while groups:
    for index, row in lanes.step(groups, texts):
        ...

The threads of one computation wait for each other after each operation, of which a small encoder has some hundred a
text. Side by side, with a context each, they never wait: that saves a tenth of the time, and much more where something
else runs on the machine too. A decoder has one lane, since its context holds a memory, and large weights that are best
read for many texts at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.pooled_context import ROOM_TOKENS, PooledContext, reading_of

SHARED_TOKENS = 128
"""Short texts are computed together up to so many tokens, which saves what a computation costs by itself. More saves
nothing, since attention then looks at many pairs of tokens of different texts."""
LANES = 4
"""At most. Where there are more cores, each lane has several."""
LANE_TOKENS = 512
LANE_BYTES = 64_000_000
"""Longer or larger texts are computed one by one with all cores, so that only the first lane needs room for them.
llama.cpp keeps room to score each word of the vocabulary behind each token of a text, though an encoder scores none."""
STEP_SECONDS = 0.2
"""For so long, a step takes new texts."""

Row = tuple[int, list[float]]
"""The number of a text, and what came out for it."""


class Lanes:
    """What a model computes vectors or scores in.

    - options: `context_length` and `threads` count. - interrupt: ends a step half way, from another thread.
    - context_length: tokens that one text may have. - ranks: whether a row begins with a score and is no vector.
    Raises `load_failed` or `model_unsupported` with what llama.cpp said.
    """

    def __init__(self, model: Model, options: LoadOptions, interrupt: Interrupt) -> None:
        reading = reading_of(model)
        self.ranks = reading.pooling == model.llama.LLAMA_POOLING_TYPE_RANK
        self.context_length = min(options.context_length, model.trained_context)
        self._threads, self._texts = options.threads, reading.texts
        self._lane_tokens = max(SHARED_TOKENS, min(LANE_TOKENS, LANE_BYTES // (4 * model.vocabulary_size)))
        room, lane_room = _room(self.context_length), _room(min(self.context_length, self._lane_tokens))
        count = 1 if reading.remembers else max(1, min(LANES, options.threads))
        rooms = [room, *[lane_room] * (count - 1)]
        self._contexts = [PooledContext(model, reading, tokens, interrupt) for tokens in rooms]
        self._others = ThreadPoolExecutor(max(1, count - 1))

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """Which texts are computed together: their numbers, long texts last. - lengths: of each text, in tokens."""
        groups: list[list[int]] = []
        room = 0
        for index in sorted(range(len(lengths)), key=lengths.__getitem__):
            if lengths[index] > room or len(groups[-1]) == self._texts:
                groups.append([])
                room = SHARED_TOKENS
            groups[-1].append(index)
            room -= lengths[index]
        return groups

    def step(
        self, groups: list[list[int]], texts: Sequence[Sequence[int]], poll: Callable[[], None] = lambda: None
    ) -> list[Row]:
        """Compute groups from the end of the list and take them off; nothing where an interrupt came first.

        - texts: all of them, as tokens. - poll: called within a long text of a decoder; may raise to stop.
        """
        count = min(len(self._contexts), len(groups))
        if count > 1 and sum(len(texts[index]) for index in groups[-1]) <= self._lane_tokens:
            return self._side_by_side(count, groups, texts)
        rows = self._contexts[0].compute([texts[index] for index in groups[-1]], self._threads, poll)
        return [] if rows is None else list(zip(groups.pop(), rows, strict=True))

    def close(self) -> None:
        """Free everything."""
        self._others.shutdown()
        for context in self._contexts:
            context.close()

    def _side_by_side(self, count: int, groups: list[list[int]], texts: Sequence[Sequence[int]]) -> list[Row]:
        threads = self._threads // count
        deadline = time.monotonic() + STEP_SECONDS
        interrupted: list[list[int]] = []

        def run(context: PooledContext) -> list[Row]:
            done: list[Row] = []
            while not done or time.monotonic() < deadline:
                try:
                    group = groups.pop()
                except IndexError:
                    break
                rows = context.compute([texts[index] for index in group], threads, lambda: None)
                if rows is None:
                    interrupted.append(group)
                    break
                done += zip(group, rows, strict=True)
            return done

        others = [self._others.submit(run, context) for context in self._contexts[1:count]]
        try:
            done = run(self._contexts[0])
        finally:
            wait(others)
        for other in others:
            done += other.result()
        groups += interrupted
        return done


def _room(tokens: int) -> int:
    return -(-tokens // ROOM_TOKENS) * ROOM_TOKENS
