"""A model's memory and steps without a model: the next token is a function of all tokens before it.

A sequence that was shared, cut back or restored wrongly therefore goes on with other tokens than `written` foretells.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from samovar_agent.engine.worker.context import NoRoomError, Part
from samovar_protocol.values import AnyDelta, FinishReason, Text, TokenLogprob

END = 7
VOCABULARY = 50


def next_token(tokens: Sequence[int]) -> int:
    """What the fake model writes behind `tokens`: mostly what followed the last token before, so that it repeats."""
    last = tokens[-1]
    for index in range(len(tokens) - 2, 0, -1):
        if tokens[index] == last and len(tokens) % 11:
            return tokens[index + 1]
    return hash(tuple(tokens)) % VOCABULARY + 10


def written(prompt: Sequence[int], count: int) -> list[int]:
    """What a reply of `count` tokens to `prompt` is."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(next_token(tokens))
    return tokens[len(prompt) :]


class FakeContext:
    """A `Context` that remembers tokens and computes nothing.

    - cells: a token shared by several sequences takes one. - only_whole: it is shared at its end only, and cannot go
    back, as a recurrent state. - window: what is not among the newest so many tokens of a sequence cannot be gone back
    to. - room: cells that it really has.
    """

    bytes_per_token = 8

    def __init__(
        self,
        *,
        cells: int = 1000,
        sequences: int = 16,
        only_whole: bool = False,
        window: int | None = None,
        room: int | None = None,
    ) -> None:
        self.cells, self.sequences, self.step_outputs = cells, sequences, sequences
        self.can_rewind = not only_whole
        self.can_share_any_prefix = not only_whole and window is None
        self.pointer = self
        self.rows: dict[int, list[int]] = {}
        self.steps: list[list[Part]] = []
        self.interrupt_at: set[int] = set()
        self.fail_at: dict[int, Exception] = {}
        self.fail_restoring: set[int] = set()
        self.restored = 0
        self._slack = window if window is not None else 0
        self._room = room if room is not None else cells
        self._memory: dict[int, list[tuple[int, int]]] = {}  # cell and token
        self._cells = itertools.count()

    @property
    def used(self) -> int:
        """Cells in use."""
        return len({cell for memory in self._memory.values() for cell, _ in memory})

    def tokens(self, sequence: int) -> list[int]:
        return [token for _, token in self._memory.get(sequence, ())]

    def compute(self, parts: Sequence[Part]) -> list[int] | None:
        number = len(self.steps)
        self.steps.append(list(parts))
        error = self.fail_at.get(number)
        if error is not None and (len(parts) > 1 or not isinstance(error, NoRoomError)):
            raise error
        if number in self.interrupt_at:
            return None
        assert sum(part.outputs for part in parts) <= self.step_outputs
        assert len({part.sequence for part in parts}) == len(parts)
        used = self.used + sum(len(part.tokens) for part in parts)
        assert used <= self.cells
        if used > self._room:
            raise NoRoomError
        rows, at = [], 0
        self.rows.clear()
        for sequence, position, tokens, outputs in parts:
            memory = self._memory.setdefault(sequence, [])
            assert 0 <= sequence < self.sequences
            assert len(memory) == position, "a sequence goes on where it is not"
            for token in tokens:
                memory.append((next(self._cells), token))
                self.rows[at] = self.tokens(sequence)
                at += 1
            rows.append(at - outputs if outputs else -1)
        return rows

    def intact(self, sequence: int, length: int) -> bool:
        return self.can_share_any_prefix or len(self._memory[sequence]) - length <= self._slack

    def share(self, source: int, target: int, length: int) -> bool:
        assert not self._memory.get(target)
        if not self.intact(source, length):
            return False
        self._memory[target] = self._memory[source][:length]
        return True

    def truncate(self, sequence: int, length: int) -> bool:
        memory = self._memory.get(sequence, [])
        if length == len(memory):
            return True
        if not self.can_rewind or not self.intact(sequence, length):
            return False
        del memory[length:]
        return True

    def forget(self, sequence: int) -> None:
        self._memory.pop(sequence, None)

    def reset(self) -> None:
        self._memory.clear()

    def save(self, sequence: int) -> bytearray | None:
        return bytearray(json.dumps(self.tokens(sequence)).encode())

    def restore(self, sequence: int, state: bytes | bytearray, length: int) -> bool:
        assert not self._memory.get(sequence)
        self.restored += 1
        tokens = json.loads(state)
        if self.restored in self.fail_restoring or len(tokens) != length or self.used + length > self._room:
            return False
        self._memory[sequence] = [(next(self._cells), token) for token in tokens]
        return True


class FakeChooser:
    """Chooses what `next_token` says."""

    def __init__(self) -> None:
        self.closed = 0
        self.exhausted = False

    def sample(self, context: FakeContext, index: int) -> int:
        return next_token(context.rows[index])

    def logprobs(self, context: FakeContext, index: int, token: int, top: int) -> TokenLogprob:
        return TokenLogprob(text=str(token), data=b"", logprob=-1.0)

    def close(self) -> None:
        self.closed += 1


class FakeReader:
    """Shows every token as its number."""

    def __init__(self, choice: int = 0, *, stop: int | None = None) -> None:
        self.stopped = False
        self.stop_text: str | None = None
        self._choice, self._stop = choice, stop

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        if token == self._stop:
            self.stopped = True
            return []
        return [Text(choice=self._choice, text=f"{token} ", logprobs=[logprob] if logprob else [])]

    def finish(self) -> list[AnyDelta]:
        return []

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        return ended
