"""How one reply's tokens are chosen, all of it in C: see `Sampling` for the parameters.

The order is llama.cpp's own: biases and penalties change scores, then the unlikely are cut off, then the temperature,
then one is drawn. Under a grammar a token is drawn first and then checked, which is a thousand times cheaper than
checking the whole vocabulary; only where it is refused, the likeliest tokens are checked, and then all.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Any

from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.constraint import CompiledGrammar, Constraint
from samovar_agent.engine.worker.history import History
from samovar_agent.engine.worker.logprobs import NEGLIGIBLE, Logprobs
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.thinking_budget import ThinkingBudget
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling, TokenLogprob

SEEDS = 0xFFFFFFFF
"""llama.cpp takes this one for "draw one"."""
LEAST_TEMPERATURE = 1e-5
"""Below, the best token is all but certain, and scores divided by it are no longer finite."""
LEAST_SHARE = 1e-30
"""Of the best token's probability; with less, llama.cpp's sums of probabilities are no numbers any more."""
MOST_JOINED = 256
"""So many of the likeliest tokens are looked at where those with the same beginning count together."""
UNLIKELY = 1e-3
"""Without min_p, tokens so much less likely than the best allowed one are not looked for behind the likeliest."""


class Sampler:
    """Chooses the tokens of one reply.

        sampler = Sampler(model, sampling, prompt)
        token = sampler.sample(context.pointer, row)

    - prompt: what the penalties look back on first. - grammar: what the reply must look like.
    - context_length: what -1 means for the penalties; None takes what the model was trained for.
    - thinking: ends the reply's reasoning in time.
    - joined: count tokens with the same beginning together, and end where that is likely enough, as is good for filling
    in the middle. - seed: the one in use. - exhausted: whether the grammar allows nothing more; then the reply is over.
    Creating it is safe in any thread. Raises `bad_request` for a bias of an unknown token, or an unreadable grammar.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        grammar: Constraint | None = None,
        context_length: int | None = None,
        joined: bool = False,
        thinking: ThinkingBudget | None = None,
    ) -> None:
        self._joined = joined and grammar is None and model.can_join
        self._llama, self._model, self._sampling = model.llama, model, sampling
        self._candidates = Candidates.of(model)
        biases = _biases(model, sampling)
        self.exhausted = False
        self._grammar = CompiledGrammar(model, grammar) if grammar is not None else None
        self.seed = secrets.randbelow(SEEDS) if sampling.seed is None else sampling.seed
        self._bias = self._bias_link(biases) if biases else None
        self._thinking = thinking
        self._history = History.of(model, sampling, prompt, context_length or model.trained_context)
        self._choice = self._chain()
        self._plain = self._plain_chain()
        self._gap = _gap(sampling)
        self._logprobs: Logprobs | None = None

    def sample(self, context: Any, row: int) -> int:
        """Choose the token of an output row of the llama_context, and go on behind it.

        Returns an end token where the grammar allows nothing. Raises `bad_request` where the grammar turns out to be
        too ambiguous.
        """
        if self.exhausted:
            return self._end()
        if self._plain is not None:
            token: int = self._llama.llama_sampler_sample(self._plain, context, row)
            return token
        token = self._candidates.visit(context, row, self._choose)
        if self._thinking is not None:
            token = self._thinking.instead_of(token, self._model.piece(token, special=True))
        grammar = self._grammar
        if grammar is not None:
            grammar.notice(token)
            if grammar.active:
                if not grammar.allows(token):
                    allowed = self._allowed(context, row, grammar)
                    if allowed is None:
                        self.exhausted = True
                        return self._end()
                    token = allowed
                grammar.accept(token)
        if self._history is not None:
            self._history.accept(token)
        return token

    def logprobs(self, context: Any, row: int, token: int, top: int) -> TokenLogprob:
        """How likely the model itself found `token` in an output row, and the `top` (up to 20) likeliest there."""
        if self._logprobs is None:
            self._logprobs = Logprobs(self._model)
        return self._logprobs.of(context, row, token, top)

    def fork(self, seed_offset: int) -> Sampler:
        """One for a further reply, in the state of this one, with a seed of its own."""
        other = object.__new__(Sampler)
        other.__dict__.update(self.__dict__)
        other.seed = (self.seed + seed_offset) % SEEDS
        other._thinking = self._thinking and self._thinking.fork()
        other._grammar = self._grammar and self._grammar.fork()
        other._bias = self._llama.llama_sampler_clone(self._bias) if self._bias is not None else None
        other._history = self._history and self._history.fork()
        other._choice = other._chain()
        other._plain = other._plain_chain()
        other._logprobs = None
        return other

    def close(self) -> None:
        """Free everything."""
        for handle in (self._bias, self._choice):
            if handle is not None:
                self._llama.llama_sampler_free(handle)
        for part in (self._history, self._grammar, self._logprobs):
            if part is not None:
                part.close()

    def _choose(self, array: Any) -> None:
        self._score(array)
        self._llama.llama_sampler_apply(self._choice, array)

    def _score(self, array: Any) -> None:
        if self._bias is not None:
            self._llama.llama_sampler_apply(self._bias, array)
        if self._history is not None:
            self._history.apply(array)

    def _allowed(self, context: Any, row: int, grammar: CompiledGrammar) -> int | None:
        """Choose among what the grammar allows; None where that is nothing."""
        found, cut = False, 0.0
        link: Any = None

        def of_likeliest(array: Any) -> None:
            nonlocal found, cut
            self._score(array)
            self._llama.llama_sampler_apply(link, array)
            scores = self._candidates.scores(array)[1 : 3 * array[0].size : 3]
            best, last = scores[0], scores[-1]
            grammar.mask(array)
            left = [score for score in scores.tolist() if score != -math.inf]
            if not left:
                return
            least = left[0] - self._gap
            cut = math.exp(least - best)
            if last <= least or 0 < self._sampling.top_k <= len(left):
                found = self._draw(array)

        def of_all(array: Any) -> None:
            nonlocal found
            self._score(array)
            likely = self._llama.llama_sampler_init_min_p(cut, 1)
            self._llama.llama_sampler_apply(likely, array)
            self._llama.llama_sampler_free(likely)
            grammar.mask(array)
            found = self._draw(array)

        token = -1
        for link in self._candidates.likeliest:  # noqa: B007
            token = self._candidates.visit(context, row, of_likeliest)
            if found or cut:
                break
        if not found:
            token = self._candidates.visit(context, row, of_all)
        return token if found and grammar.allows(token) else None

    def _draw(self, array: Any) -> bool:
        """Draw from a masked array, but nothing that is masked; False where all is."""
        candidates = array[0]
        candidates.sorted = False
        self._llama.llama_sampler_apply(self._candidates.greedy, array)
        best = candidates.data[candidates.selected]
        if best.logit == -math.inf:
            return False
        token = best.id
        self._llama.llama_sampler_apply(self._choice, array)
        chosen = candidates.data[candidates.selected]
        if not math.isfinite(chosen.logit):
            chosen.id = token
        return True

    def _plain_chain(self) -> Any:
        """What chooses without any word of Python; None where there is more to do."""
        if any(part is not None for part in (self._bias, self._history, self._grammar, self._thinking)):
            return None
        return self._candidates.greedy if _is_greedy(self._sampling) else self._choice

    def _end(self) -> int:
        return min(self._model.end_tokens, default=0)

    def _bias_link(self, biases: dict[int, float]) -> Any:
        llama = self._llama
        array = (llama.llama_logit_bias * len(biases))(*biases.items())
        return llama.llama_sampler_init_logit_bias(self._model.vocabulary_size, len(biases), array)

    def _chain(self) -> Any:
        """What cuts off, and draws."""
        llama, sampling = self._llama, self._sampling
        if _is_greedy(sampling):
            return llama.llama_sampler_init_greedy()
        links = []
        top_k = sampling.top_k if sampling.top_k < self._model.vocabulary_size else 0
        if self._joined:  # which compares each with all others
            top_k = min(top_k or MOST_JOINED, MOST_JOINED)
        if top_k:
            links.append(llama.llama_sampler_init_top_k(top_k))
        if not top_k or sampling.typical_p < 1:
            # What can never be drawn costs most of the time; and typical_p comes to nothing where a probability is 0.
            negligible = max(NEGLIGIBLE ** max(1.0, sampling.temperature), LEAST_SHARE)
            links.append(llama.llama_sampler_init_min_p(negligible, 1))
        if sampling.typical_p < 1:
            links.append(llama.llama_sampler_init_typical(sampling.typical_p, 1))
        if sampling.top_p < 1:
            links.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            links.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
        if self._joined:
            links.append(llama.llama_sampler_init_infill(self._model.vocabulary))
        links.append(llama.llama_sampler_init_temp(sampling.temperature))
        links.append(llama.llama_sampler_init_dist(self.seed))
        chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for link in links:
            llama.llama_sampler_chain_add(chain, link)
        return chain


def _is_greedy(sampling: Sampling) -> bool:
    return sampling.temperature < LEAST_TEMPERATURE


def _gap(sampling: Sampling) -> float:
    """How far behind the best token another one may be to have any chance, in scores."""
    if _is_greedy(sampling):
        return 0.0
    unlikely = math.log(sampling.min_p) if sampling.min_p else math.log(UNLIKELY) * max(1.0, sampling.temperature)
    return math.log(2) - unlikely  # twice as far, for what is lost to rounding


def _biases(model: Model, sampling: Sampling) -> dict[int, float]:
    unknown = [token for token in sampling.logit_bias if not 0 <= token < model.vocabulary_size]
    if unknown:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"The logit bias names the token {unknown[0]}, but the model has tokens from 0 to"
            f" {model.vocabulary_size - 1} only.",
            hint="Use ids of this model's own tokens.",
        )
    ends = dict.fromkeys(model.end_tokens, -math.inf) if sampling.ignore_eos else {}
    return {**sampling.logit_bias, **ends}
