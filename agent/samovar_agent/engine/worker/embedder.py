"""Vectors of texts, and scores of documents, for the models that give these and write no text.

embedder = Embedder(model, options, interrupt)
job = embedder.start(["a text", "another"])       # what can be wrong with a request shows here
while job.step():                                 # some tenths of a second; steps of other jobs fit in between
    ...
job.result                                        # Embedded
"""

from __future__ import annotations

import math
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from samovar_agent.engine.interface import Embedded, LoadOptions, Ranked
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.lanes import Lanes
from samovar_agent.engine.worker.length import tokens_if_far_too_many
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.rank_prompt import RankPrompt
from samovar_protocol import FailureCode, SamovarError

_INPUT, _PAIR = "Input", "The query with document"


class Job(ABC):
    """Texts on their way through the model, a step at a time. - seconds: computed so far."""

    def __init__(self, lanes: Lanes, texts: Sequence[Sequence[int]]) -> None:
        self._lanes, self._texts = lanes, texts
        self._groups = lanes.groups([len(text) for text in texts])
        self._prompt_tokens = sum(len(text) for text in texts)
        self.seconds = 0.0

    def step(self, poll: Callable[[], None] = lambda: None) -> bool:
        """Compute some texts, or nothing where an interrupt came first; False when all is done.

        - poll: called now and then while a long text is computed; may raise to stop.
        Raises `internal` where llama.cpp fails, or the model computes no finite numbers.
        """
        began = time.monotonic()
        if self._groups:
            for index, row in self._lanes.step(self._groups, self._texts, poll):
                self._take(index, row)
        self.seconds += time.monotonic() - began
        return bool(self._groups)

    @abstractmethod
    def _take(self, index: int, row: list[float]) -> None:
        """Keep what came out for one text."""


class EmbeddingJob(Job):
    """See `Embedder.start`."""

    def __init__(self, lanes: Lanes, texts: Sequence[Sequence[int]], dimensions: int) -> None:
        super().__init__(lanes, texts)
        self._dimensions = dimensions
        self._format = struct.Struct(f"<{dimensions}f")
        self._vectors = bytearray(self._format.size * len(texts))

    @property
    def result(self) -> Embedded:
        """The vectors in the order of the inputs, each of length 1; once `step` has returned False."""
        return Embedded(
            vectors=bytes(self._vectors),
            dimensions=self._dimensions,
            prompt_tokens=self._prompt_tokens,
            seconds=self.seconds,
        )

    def _take(self, index: int, row: list[float]) -> None:
        del row[self._dimensions :]
        length = math.hypot(*row)
        _check_finite(length, index)
        scale = 1 / length if length else 0.0
        self._format.pack_into(self._vectors, self._format.size * index, *[scale * number for number in row])


class RankingJob(Job):
    """See `Embedder.start_ranking`."""

    def __init__(self, lanes: Lanes, texts: Sequence[Sequence[int]]) -> None:
        super().__init__(lanes, texts)
        self._scores = [0.0] * len(texts)

    @property
    def result(self) -> Ranked:
        """The scores in the order of the documents; once `step` has returned False."""
        return Ranked(scores=self._scores, prompt_tokens=self._prompt_tokens, seconds=self.seconds)

    def _take(self, index: int, row: list[float]) -> None:
        _check_finite(row[0], index)
        self._scores[index] = row[0]


class Embedder:
    """A model that gives vectors or scores.

    - options: its `context_length` and `threads` count. - interrupt: ends a step half way, from another thread.
    - context_length: tokens that one text may have. - dimensions: of the vectors. - ranks: gives scores instead.
    Raises `load_failed` or `model_unsupported` with what llama.cpp said.
    """

    def __init__(self, model: Model, options: LoadOptions, interrupt: Interrupt) -> None:
        self._model = model
        self._lanes = Lanes(model, options, interrupt)
        self._rank_prompt = RankPrompt(model)
        self.context_length = self._lanes.context_length
        self.dimensions = int(model.llama.llama_model_n_embd_out(model.pointer))
        self.ranks = self._lanes.ranks

    def start(self, inputs: Sequence[str | list[int]], dimensions: int | None = None) -> EmbeddingJob:
        """Prepare vectors of texts, or of tokens as they are. Computes nothing, and is safe in any thread.

        - dimensions: shorten the vectors to so many numbers, normalised again; None keeps all.
        Raises `bad_request`, `context_overflow` or `model_unsupported`.
        """
        if self.ranks:
            raise _unsupported("This model scores documents; it gives no vectors.", "Choose an embedding model.")
        if dimensions is not None and not 1 <= dimensions <= self.dimensions:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"{dimensions:,} dimensions were asked for; the vectors of this model have {self.dimensions:,}.",
                hint=f"Ask for 1 to {self.dimensions:,}, or leave it out.",
            )
        texts = [self._tokens(index, text) for index, text in enumerate(inputs)]
        self._check_lengths(texts, _INPUT)
        return EmbeddingJob(self._lanes, texts, dimensions or self.dimensions)

    def start_ranking(self, query: str, documents: Sequence[str]) -> RankingJob:
        """Prepare scores of documents. Computes nothing, and is safe in any thread.

        Raises `bad_request`, `context_overflow` or `model_unsupported`.
        """
        if not self.ranks:
            raise _unsupported("This model gives vectors; it does not score documents.", "Choose a reranking model.")
        for index, document in enumerate(documents):
            self._check_length([query, document], _PAIR, index)
        texts = self._rank_prompt.tokens(query, documents)
        self._check_lengths(texts, _PAIR)
        return RankingJob(self._lanes, texts)

    def embed(
        self,
        inputs: Sequence[str | list[int]],
        dimensions: int | None = None,
        poll: Callable[[], None] = lambda: None,
    ) -> Embedded:
        """All steps at once. - poll: called between them; may raise to stop. Failures as of `start` and `step`."""
        job = self.start(inputs, dimensions)
        while job.step(poll):
            poll()
        return job.result

    def rank(self, query: str, documents: Sequence[str], poll: Callable[[], None] = lambda: None) -> Ranked:
        """All steps at once. - poll: called between them; may raise to stop. Failures as of `start_ranking`."""
        job = self.start_ranking(query, documents)
        while job.step(poll):
            poll()
        return job.result

    def close(self) -> None:
        """Free what it computes in; not the model."""
        self._lanes.close()

    def _tokens(self, index: int, text: str | list[int]) -> list[int]:
        if isinstance(text, str):
            self._check_length([text], _INPUT, index)
            # With nothing to read, a vector would only tell what the model's own markers mean.
            return self._model.tokenize(text, special=False, around=True) if text else []
        size = self._model.vocabulary_size
        wrong = next((token for token in text if not 0 <= token < size), None)
        if wrong is not None:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"Input {index} has the token {wrong}; this model's tokens are 0 to {size - 1}.",
                hint="Send the text itself, or tokens of this very model.",
                details={"index": index},
            )
        return text

    def _check_lengths(self, texts: Sequence[Sequence[int]], what: str) -> None:
        for index, text in enumerate(texts):
            if not text:
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"{what} {index} is empty.",
                    hint="Leave out what has no text.",
                    details={"index": index},
                )
            if len(text) > self.context_length:
                raise self._too_long(f"{what} {index}", "", index, len(text))

    def _check_length(self, texts: Sequence[str], what: str, index: int) -> None:
        tokenize = partial(self._model.tokenize, special=False)
        if tokens := tokens_if_far_too_many(texts, self.context_length, tokenize):
            raise self._too_long(f"{what} {index}", "over ", index, tokens)

    def _too_long(self, what: str, counted: str, index: int, tokens: int) -> SamovarError:
        return SamovarError(
            FailureCode.CONTEXT_OVERFLOW,
            f"{what} has {counted}{tokens:,} tokens; this model reads {self.context_length:,} at once.",
            hint="Split it into shorter texts.",
            details={
                "index": index,
                "prompt_tokens": tokens,
                "context_length": self.context_length,
                "trained_context": self._model.trained_context,
            },
        )


def _check_finite(number: float, index: int) -> None:
    if not math.isfinite(number):
        raise SamovarError(
            FailureCode.INTERNAL,
            f"The model computed no finite numbers for input {index}.",
            hint="The file may be damaged: remove the model and get it again.",
        )


def _unsupported(message: str, hint: str) -> SamovarError:
    return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint=hint)
