"""What a model says when nothing is shared, batched, saved or guessed: the truth that the engine has to reproduce.

reference = Reference(path)
expected = reference.greedy(prompt, 40)
expected.check(tokens)              # raises AssertionError where the engine chose others
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from samovar_agent.engine.worker.library import low_level

TIE = 0.1
"""Scores so close (in logits) may swap places where the same sums are computed in another order."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens that follow a prompt. - margins: how far each was ahead of the second best, in logits."""

    tokens: list[int]
    margins: list[float]

    def check(self, tokens: Sequence[int], *, tie: float = TIE) -> None:
        """Raise where `tokens` is something else, or not as long; after a near tie anything may follow.

        - tie: the lead below which two tokens count as equal. The default is for the tiny models; from one shape of
        batch to another a quantized one's scores differ by up to 1.
        """
        assert len(tokens) == len(self.tokens), f"{len(tokens)} tokens instead of {len(self.tokens)}: {list(tokens)}"
        for index, (expected, token) in enumerate(zip(self.tokens, tokens, strict=True)):
            if expected != token:
                margin = self.margins[index]
                assert margin < tie, (
                    f"token {index} is {token} and not {expected}, which was ahead by {margin:.3f}:"
                    f" {list(tokens)} instead of {self.tokens}"
                )
                return


class Reference:
    """A model of its own, and for each prompt a fresh context with one sequence, computed in chunks of 512 tokens.

    - threads: one is quickest for a tiny model.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        self._llama: Any = low_level()
        self._llama.llama_backend_init()
        self._threads = threads
        self._model = self._llama.llama_model_load_from_file(
            os.fsencode(path), self._llama.llama_model_default_params()
        )
        assert self._model, f"{path} cannot be loaded"
        self._size: int = self._llama.llama_vocab_n_tokens(self._llama.llama_model_get_vocab(self._model))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def greedy(self, prompt: Sequence[int], count: int) -> Continuation:
        """The `count` likeliest tokens after `prompt`, one at a time; the end of a turn does not stop it."""
        tokens: list[int] = []
        margins: list[float] = []
        context = self._context(len(prompt) + count)
        try:
            self._evaluate(context, prompt)
            while True:
                token, margin = self._best(self._scores(context))
                tokens.append(token)
                margins.append(margin)
                if len(tokens) == count:
                    return Continuation(tokens, margins)
                self._evaluate(context, [token])
        finally:
            self._llama.llama_free(context)

    def scores(self, prompt: Sequence[int]) -> list[float]:
        """The logits of every token after `prompt`."""
        context = self._context(len(prompt))
        try:
            self._evaluate(context, prompt)
            return list(self._scores(context))
        finally:
            self._llama.llama_free(context)

    def close(self) -> None:
        """Free the model."""
        self._llama.llama_model_free(self._model)

    def _context(self, length: int) -> Any:
        parameters = self._llama.llama_context_default_params()
        parameters.n_ctx = max(256, length)
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_seq_max = 1
        parameters.n_threads = parameters.n_threads_batch = self._threads
        context = self._llama.llama_init_from_model(self._model, parameters)
        assert context, "no context"
        return context

    def _evaluate(self, context: Any, tokens: Sequence[int]) -> None:
        for start in range(0, len(tokens), 512):
            chunk = tokens[start : start + 512]
            array = (self._llama.llama_token * len(chunk))(*chunk)
            code = self._llama.llama_decode(context, self._llama.llama_batch_get_one(array, len(chunk)))
            assert code == 0, f"llama_decode gave {code}"

    def _scores(self, context: Any) -> ctypes.Array[ctypes.c_float]:
        pointer = self._llama.llama_get_logits_ith(context, -1)
        scores: ctypes.Array[ctypes.c_float] = (ctypes.c_float * self._size).from_address(
            ctypes.addressof(pointer.contents)
        )
        return scores

    @staticmethod
    def _best(scores: Sequence[float] | ctypes.Array[ctypes.c_float]) -> tuple[int, float]:
        """The likeliest token, the first of several, and how far it is ahead."""
        values = list(scores)
        first = max(range(len(values)), key=values.__getitem__)
        best = values[first]
        values[first] = float("-inf")
        return first, best - max(values)
