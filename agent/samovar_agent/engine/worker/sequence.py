"""One reply on its way: from messages to tokens, a step at a time, to text."""

from __future__ import annotations

import time
from collections.abc import Sequence as Tokens
from typing import Literal, Protocol

from samovar_agent.engine.interface import Finished, Generation
from samovar_agent.engine.wire import Answer, Began, Done, Piece
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_agent.engine.worker.text import TextStream
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling, Stats


class Chooser(Protocol):
    """What chooses tokens for one sequence; see `llama.Sampler`."""

    def sample(self) -> int:
        """The next token."""

    def close(self) -> None:
        """Free it."""


class Computer(Protocol):
    """What computes tokens; see `llama.Model`."""

    @property
    def context_length(self) -> int:
        """Tokens that fit."""

    def tokenize(self, prompt: str) -> list[int]:
        """A rendered template as tokens."""

    def piece(self, token: int) -> bytes:
        """A token's bytes."""

    def is_end(self, token: int) -> bool:
        """Whether the model's turn ends."""

    def begin(self, tokens: Tokens[int], *, repeatable: bool) -> int:
        """Keep what is in memory of a new prompt; returns how much."""

    def step_size(self, remaining: int) -> int:
        """How much of it the next step takes."""

    def evaluate(self, tokens: Tokens[int]) -> bool:
        """Compute one step; False where it was interrupted and nothing happened."""

    def sampler(self, sampling: Sampling, prompt: Tokens[int]) -> Chooser:
        """How this request wants its tokens chosen."""


class Sequence:
    """A request while it runs. - id: of the request. - received: when it came, monotonic seconds.

    Raises `context_overflow`, or what the template says.
    """

    def __init__(
        self, id_: int, generation: Generation, received: float, model: Computer, template: ChatTemplate
    ) -> None:
        self.id = id_
        self._model = model
        sampling = generation.sampling
        self._queue_seconds = time.monotonic() - received
        self._began = time.monotonic()
        prompt = model.tokenize(template.render(generation.messages))
        self._prompt_tokens = len(prompt)
        _check_room(len(prompt), model.context_length)
        repeatable = sampling.seed is not None or sampling.temperature == 0
        self._cached_tokens = model.begin(prompt, repeatable=repeatable)
        self._pending = prompt[self._cached_tokens :]
        self._room = model.context_length - len(prompt)
        self._most = sampling.max_tokens
        self._sampler = model.sampler(sampling, prompt)
        self._text = TextStream([*sampling.stop, *template.stop])
        self._tokens = self._untold = 0
        self._first = self._last = 0.0
        self.ended = False

    def begin(self) -> list[Answer]:
        """What to say before the first step."""
        return [Began(self.id)]

    def step(self) -> list[Answer]:
        """One piece of the prompt, or one token of the reply; nothing where an interrupt came first."""
        pending = self._pending
        size = self._model.step_size(len(pending))
        if not self._model.evaluate(pending[:size]):
            return []
        del pending[:size]
        if pending:
            return []
        token = self._sampler.sample()
        if self._model.is_end(token):
            return self._end("stop")
        pending.append(token)
        return self._take(token)

    def _take(self, token: int) -> list[Answer]:
        self._last = time.monotonic()
        if not self._tokens:
            self._first = self._last
        self._tokens += 1
        self._untold += 1
        text = self._text.feed(self._model.piece(token))
        if self._text.stopped:
            return self._end("stop", text)
        # The newest token has not been computed yet and needs a place too, should there be a next one.
        if self._tokens == self._most or self._tokens > self._room:
            return self._end("length", text)
        return self._tell(text)

    def _tell(self, text: str) -> list[Answer]:
        if not text:
            return []
        tokens, self._untold = self._untold, 0
        return [Piece(self.id, text, tokens)]

    def _end(self, reason: Literal["stop", "length"], text: str = "") -> list[Answer]:
        answers = self._tell(text + self._text.finish())
        now = time.monotonic()
        stats = Stats(
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            completion_tokens=self._tokens,
            queue_seconds=self._queue_seconds,
            prompt_seconds=(self._first or now) - self._began,
            decode_seconds=self._last - self._first,
        )
        self.close()
        return [*answers, Done(self.id, Finished(finish_reason=reason, stats=stats))]

    def close(self) -> None:
        """Free what it holds; also in the middle."""
        if not self.ended:
            self.ended = True
            self._sampler.close()


def _check_room(prompt_tokens: int, context_length: int) -> None:
    if prompt_tokens > context_length:
        raise SamovarError(
            FailureCode.CONTEXT_OVERFLOW,
            f"The prompt has {prompt_tokens:,} tokens; the context holds {context_length:,}.",
            hint="Shorten the conversation, or load the model with a larger context.",
            details={"prompt_tokens": prompt_tokens, "context_length": context_length},
        )
    if prompt_tokens == 0:
        raise SamovarError(FailureCode.BAD_REQUEST, "The prompt is empty.", hint="Send at least one message with text.")
