"""How likely the model found a token, whatever then was done to choose one."""

from __future__ import annotations

import math
from typing import Any

from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.model import Model
from samovar_protocol.values import TokenLogprob

NEGLIGIBLE = 1e-10
"""Tokens so much less likely than the best one add nothing to a sum of probabilities; computing them takes most of
the time."""


class Logprobs:
    """Natural logarithms of the model's own probabilities; see `Sampler.logprobs`. Used by one thread at a time."""

    def __init__(self, model: Model) -> None:
        self._llama = llama = model.llama
        self._model, self._candidates = model, Candidates.of(model)
        self._cut = llama.llama_sampler_init_min_p(NEGLIGIBLE, 1)
        self._softmax = llama.llama_sampler_init_dist(0)
        self._top_k: dict[int, Any] = {}

    def of(self, context: Any, row: int, token: int, top: int) -> TokenLogprob:
        """The logprob of `token` in an output row, and the `top` likeliest."""
        score = 0.0
        best: list[tuple[int, float]] = []
        norm = 0.0

        def look(array: Any) -> None:
            nonlocal score, norm
            llama, data, size = self._llama, array[0].data, array[0].size
            score = data[token].logit
            llama.llama_sampler_apply(self._first(max(1, top)), array)
            best.extend((data[index].id, data[index].logit) for index in range(array[0].size))
            array[0].size, array[0].sorted = size, False  # the others are still there, behind the best
            llama.llama_sampler_apply(self._cut, array)
            llama.llama_sampler_apply(self._softmax, array)
            norm = best[0][1] - math.log(data[0].p)

        self._candidates.visit(context, row, look)
        return self._named(token, score - norm, [self._named(id, value - norm) for id, value in best[:top]])

    def close(self) -> None:
        """Free what it used."""
        for sampler in (self._cut, self._softmax, *self._top_k.values()):
            self._llama.llama_sampler_free(sampler)

    def _first(self, count: int) -> Any:
        if count not in self._top_k:
            self._top_k[count] = self._llama.llama_sampler_init_top_k(count)
        return self._top_k[count]

    def _named(self, token: int, logprob: float, top: list[TokenLogprob] | None = None) -> TokenLogprob:
        data = self._model.piece(token, special=True)
        return TokenLogprob(text=data.decode("utf-8", "replace"), data=data, logprob=logprob, top=top or [])
