"""One request on its way: a prompt, and one or more replies that grow out of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from samovar_agent.engine.interface import Finished, Generation
from samovar_agent.engine.wire import Answer, Done, Piece, Reading
from samovar_agent.engine.worker.scheduler import due
from samovar_agent.engine.worker.speculation import CostCurve, Drafter
from samovar_protocol.values import AnyDelta, FinishReason, Stats, Text, TokenLogprob


class Chooser(Protocol):
    """What chooses a reply's tokens; see `sampler.Sampler`. - exhausted: its grammar allows nothing more."""

    exhausted: bool

    def sample(self, context: Any, index: int) -> int:
        """The next token, from one of the newest step's rows."""

    def logprobs(self, context: Any, index: int, token: int, top: int) -> TokenLogprob:
        """How likely it was."""

    def close(self) -> None:
        """Free it."""


class Reader(Protocol):
    """What makes text of a reply's tokens; see `reply_parser.ReplyParser`."""

    @property
    def stopped(self) -> bool:
        """Whether a stop text is complete."""

    @property
    def stop_text(self) -> str | None:
        """The stop text that is complete."""

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        """What may be shown now."""

    def finish(self) -> list[AnyDelta]:
        """What was held back."""

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        """Why it ended, as clients know it."""


class Branch:
    """One reply: all its tokens, of which `computed` are in the model's memory.

    - key: tells it apart from all others. - sequence: where it is in memory; None while it waits for a place.
    - admitted: when it got its first place, monotonic; 0 before. - parting: where its prompt
    leaves what another one computed and cannot share any more, to be remembered when it gets there; or 0.
    - unscored: place of the prompt's first token whose logprob is still to be told; None where there is none.
    """

    def __init__(
        self,
        job: Job,
        key: int,
        prompt: Sequence[int],
        chooser: Chooser,
        reader: Reader,
        *,
        choice: int,
        context_length: int,
        unscored: int | None = None,
    ) -> None:
        self.job, self.key, self.choice = job, key, choice
        self.tokens = list(prompt)
        self.computed = self.parting = 0
        self.unscored = unscored
        self._prompt_tokens = len(prompt)
        self.sequence: int | None = None
        self.admitted = self.due = 0.0
        self.chooser = chooser
        self.drafter: Drafter | None = None
        self.written = 0
        self.ended: FinishReason | None = None
        self._reader = reader
        most = job.generation.sampling.max_tokens
        # The newest token has not been computed yet and needs a place too, should there be a next one.
        self._longest = min(context_length, len(prompt) + most - 1 if most is not None else context_length)

    @property
    def pending(self) -> int:
        """Tokens to compute before the next one can be chosen."""
        return len(self.tokens) - self.computed

    @property
    def stop_text(self) -> str | None:
        """Which of the request's own stop texts ended the reply; those of templates are not known to clients."""
        stop = self._reader.stop_text
        return stop if stop in self.job.generation.sampling.stop else None

    @property
    def left(self) -> int:
        """How many more tokens the reply may have."""
        return self._longest + 1 - len(self.tokens)

    def score(self, context: Any, row: int, first: int) -> list[Answer]:
        """What there is to say of the prompt's tokens, now that those before them are computed.

        - row: of the step's first output, which is behind the token at the place `first`.
        """
        if self.unscored is None:
            return []
        end = min(self.computed + 1, self._prompt_tokens)
        told = [self._logprob(context, row + place - 1 - first, place) for place in range(self.unscored, end)]
        # It may be behind that already, where it lost its place and begins again.
        self.unscored = max(end, self.unscored) if end < self._prompt_tokens else None
        return [Piece(self.job.id, Text(choice=self.choice, text="", tokens=0, logprobs=told))] if told else []

    def _logprob(self, context: Any, row: int, place: int) -> TokenLogprob:
        token, top = self.tokens[place], self.job.generation.options.top_logprobs
        if place:
            return self.chooser.logprobs(context, row, token, top)
        first = self.chooser.logprobs(context, row + 1, token, 0)  # for its name
        return msgspec.structs.replace(first, logprob=math.nan)

    def admit(self, sequence: int, known: int, now: float) -> None:
        """It got a place, where `known` of its tokens are in memory already."""
        self.sequence, self.computed = sequence, known
        if not self.admitted:
            self.admitted = now
        self.due = due(now, self.pending)

    def suspend(self) -> None:
        """It lost its place, and what it has computed with it."""
        self.sequence, self.computed = None, 0

    def speculate(self, curve: CostCurve) -> None:
        """Guess ahead from now on."""
        if self.drafter is None:
            self.drafter = Drafter(curve)
            self.drafter.accept(self.tokens)

    def take(self, token: int, logprob: TokenLogprob | None) -> list[Answer]:
        """The next token of the reply, and what there is to say now."""
        if token in self.job.end_tokens:
            return self.end("stop")
        self.tokens.append(token)
        self.written += 1
        if self.drafter is not None:
            self.drafter.accept((token,))
        pieces = self._pieces(self._reader.feed(token, logprob))
        if self._reader.stopped:
            return [*pieces, *self.end("stop")]
        if len(self.tokens) > self._longest:
            return [*pieces, *self.end("length")]
        return pieces

    def end(self, reason: FinishReason) -> list[Answer]:
        """It is complete."""
        pieces = self._pieces(self._reader.finish())
        self.ended = self._reader.finish_reason(reason)
        self.chooser.close()
        return pieces

    def drop(self) -> None:
        """Free what it holds, in the middle."""
        if self.ended is None:
            self.ended = "stop"
            self.chooser.close()

    def _pieces(self, deltas: list[AnyDelta]) -> list[Answer]:
        return [Piece(self.job.id, delta) for delta in deltas]


class Job:
    """A request while it waits and runs.

    - id: of the request. - received: when it came, monotonic. - end_tokens: end a reply.
    """

    def __init__(self, id_: int, generation: Generation, received: float, end_tokens: frozenset[int]) -> None:
        self.id, self.generation, self.received, self.end_tokens = id_, generation, received, end_tokens
        self.branches: list[Branch] = []
        self.began = 0.0
        self.cached_tokens = 0
        self.first = self.last = 0.0
        self._read = 0.0

    @property
    def background(self) -> bool:
        """Whether it gives way to the others."""
        return self.generation.options.priority == "background"

    @property
    def exact(self) -> bool:
        """Whether its text must be the same each time, where nobody else runs."""
        return self.generation.sampling.seed is not None

    def begin(self, now: float, cached_tokens: int) -> None:
        """It left the queue."""
        self.began, self.cached_tokens = now, cached_tokens

    def reading(self, branch: Branch) -> list[Answer]:
        """How far it is with its prompt, in whole per cents; nothing where that is no news, as after a suspension."""
        read = branch.computed * 100 // len(branch.tokens) / 100
        if self.first or read <= self._read:
            return []
        self._read = read
        return [Reading(self.id, read)]

    def told(self) -> None:
        """A token was chosen."""
        self.last = time.monotonic()
        self.first = self.first or self.last

    def done(self) -> Done | None:
        """The end of the answers, once all replies are complete."""
        reasons = [branch.ended for branch in self.branches if branch.ended is not None]
        if len(reasons) < len(self.branches):
            return None
        drafters = [branch.drafter for branch in self.branches if branch.drafter is not None]
        first = self.branches[0]
        return Done(
            self.id,
            Finished(
                finish_reasons=reasons,
                stop_texts=[branch.stop_text for branch in self.branches],
                stats=Stats(
                    prompt_tokens=len(first.tokens) - first.written,
                    cached_tokens=self.cached_tokens,
                    completion_tokens=sum(branch.written for branch in self.branches),
                    drafted_tokens=sum(drafter.proposed for drafter in drafters),
                    accepted_tokens=sum(drafter.accepted for drafter in drafters),
                    queue_seconds=self.began - self.received,
                    prompt_seconds=(self.first or time.monotonic()) - self.began,
                    decode_seconds=self.last - self.first,
                ),
            ),
        )
