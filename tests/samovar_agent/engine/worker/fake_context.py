"""A model's memory and steps without a model: the next token is a function of all tokens before it.

A sequence that was shared, cut back or restored wrongly therefore goes on with other tokens than `written` foretells.
"""

from __future__ import annotations

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
    """A `Context` that remembers tokens and computes nothing."""

    can_rewind = True
    can_share_any_prefix = True

    def __init__(self, *, cells: int = 1000, sequences: int = 16, only_whole: bool = False) -> None:
        self.cells, self.sequences, self.step_outputs = cells, sequences, sequences
        self.pointer = self
        self.rows: dict[int, list[int]] = {}
        self.steps: list[list[Part]] = []
        self.interrupt_at: set[int] = set()
        self.fail_at: dict[int, Exception] = {}
        self._memory: dict[int, list[int]] = {}
        if only_whole:
            self.can_rewind = self.can_share_any_prefix = False

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
        rows, at = [], 0
        self.rows.clear()
        for sequence, position, tokens, outputs in parts:
            memory = self._memory.setdefault(sequence, [])
            assert 0 <= sequence < self.sequences
            assert len(memory) == position, "a sequence goes on where it is not"
            for token in tokens:
                memory.append(token)
                self.rows[at] = list(memory)
                at += 1
            rows.append(at - outputs if outputs else -1)
        return rows

    def intact(self, sequence: int, length: int) -> bool:
        return self.can_share_any_prefix or length == len(self._memory[sequence])

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
        if not self.can_rewind:
            return False
        del memory[length:]
        return True

    def forget(self, sequence: int) -> None:
        self._memory.pop(sequence, None)

    def reset(self) -> None:
        self._memory.clear()

    def restore(self, sequence: int, tokens: Sequence[int]) -> bool:
        self._memory[sequence] = list(tokens)
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
