"""The small model with a context of one sequence, made by hand, to choose tokens from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.constraint import Constraint
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.sampler import Sampler
from samovar_protocol.values import Sampling


class OneSequence:
    """- pointer: the llama_context; the row to sample from is -1. - prompt: the tokens it was begun with."""

    def __init__(self, path: Path) -> None:
        self.model = Model(str(path), Interrupt(), lambda progress: None)
        self._llama = llama = self.model.llama
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = 512
        parameters.n_threads = parameters.n_threads_batch = 1
        self.pointer: Any = llama.llama_init_from_model(self.model.pointer, parameters)
        self.prompt: list[int] = []

    def begin(self, user: str, *, reply: str = "") -> None:
        """Compute a prompt, and what the reply shall begin with."""
        text = f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{reply}"
        self.prompt = self.model.tokenize(text, special=True)
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self.pointer), True)
        self.compute(self.prompt)

    def compute(self, tokens: Sequence[int]) -> None:
        """Append tokens."""
        array = (self._llama.llama_token * len(tokens))(*tokens)
        assert self._llama.llama_decode(self.pointer, self._llama.llama_batch_get_one(array, len(tokens))) == 0

    def sampler(self, *, grammar: Constraint | None = None, prompt: Sequence[int] = (), **sampling: Any) -> Sampler:
        return Sampler(self.model, Sampling(**sampling), prompt or self.prompt, grammar=grammar)

    def sample(self, sampler: Sampler) -> int:
        return sampler.sample(self.pointer, -1)

    def draws(self, count: int, **sampling: Any) -> list[int]:
        """Tokens drawn for the same place again and again."""
        sampler = self.sampler(**{"seed": 1, **sampling})
        tokens = [self.sample(sampler) for _ in range(count)]
        sampler.close()
        return tokens

    def write(self, sampler: Sampler, count: int) -> bytes:
        """What the model writes, up to its end."""
        text = b""
        for _ in range(count):
            token = self.sample(sampler)
            if self.model.is_end(token):
                break
            text += self.model.piece(token, special=True)
            self.compute([token])
        sampler.close()
        return text

    def scores(self) -> list[float]:
        """The model's own, by token."""
        found: list[float] = []
        candidates = Candidates.of(self.model)
        candidates.visit(self.pointer, -1, lambda array: found.extend(candidates.scores(array)[1::3].tolist()))
        return found

    def ranked(self) -> list[tuple[int, float]]:
        """All tokens with their probabilities, the likeliest first."""
        scores = self.scores()
        best = max(scores)
        weights = [math.exp(score - best) for score in scores]
        total = math.fsum(weights)
        order = sorted(range(len(scores)), key=lambda token: -scores[token])
        return [(token, weights[token] / total) for token in order]

    def close(self) -> None:
        self._llama.llama_free(self.pointer)
        self.model.close()
