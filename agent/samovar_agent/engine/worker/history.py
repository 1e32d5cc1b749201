"""Penalties for what was written before: for repeating tokens, and for repeating whole sequences (DRY)."""

from __future__ import annotations

import copy
import ctypes
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.model import Model
from samovar_protocol.values import Sampling

LEAST_REPEAT_PENALTY = 0.01
"""Scores divided by less are soon no longer finite."""
FEW = 1000
"""Up to so many tokens are penalised apart from the rest, which llama.cpp would look up one by one for nothing."""
DRY_LINKS = 4
"""Clients use the same settings all the time; each kept one takes a megabyte or so with a context of 100,000."""


class History:
    """What was written, and what that means for the scores of the next token."""

    def __init__(self, model: Model, links: Sequence[Any], length: int) -> None:
        self._llama = llama = model.llama
        self._candidates = Candidates.of(model)
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for link in links:
            llama.llama_sampler_chain_add(self._chain, link)
        self._tokens: deque[int] = deque(maxlen=length)
        self._counts: Counter[int] = Counter()

    @classmethod
    def of(cls, model: Model, sampling: Sampling, prompt: Sequence[int], context_length: int) -> History | None:
        """The history that begins with a prompt; None where nothing is penalised."""
        llama = model.llama
        links = []
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        last_n = dry_last_n = 0
        if penalties != (1.0, 0.0, 0.0):
            last_n = _length(sampling.repeat_last_n, context_length)
        if last_n:
            repeat, frequency, presence = penalties
            repeat = max(repeat, LEAST_REPEAT_PENALTY)
            links.append(llama.llama_sampler_init_penalties(model.vocabulary_size, last_n, repeat, frequency, presence))
        if sampling.dry_multiplier:
            dry_last_n = _length(sampling.dry_penalty_last_n, context_length)
        if dry_last_n:
            links.append(_DryLinks.of(model).made(sampling, dry_last_n))
        if not links:
            return None
        history = cls(model, links, max(last_n, dry_last_n))
        for token in prompt[-max(last_n, dry_last_n) :]:
            history.accept(token)
        return history

    def accept(self, token: int) -> None:
        """Append a token."""
        if len(self._tokens) == self._tokens.maxlen:
            oldest = self._tokens[0]
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        self._tokens.append(token)
        self._counts[token] += 1
        self._llama.llama_sampler_accept(self._chain, token)

    def apply(self, array: Any) -> None:
        """Change the scores of an array that is still ordered by id."""
        llama, count = self._llama, len(self._counts)
        if count > FEW:
            llama.llama_sampler_apply(self._chain, array)
            return
        few = (llama.llama_token_data * count)()
        view = memoryview(few).cast("B")
        ids, few_scores, scores = view.cast("i"), view.cast("f"), self._candidates.scores(array)
        for index, token in enumerate(self._counts):
            ids[3 * index] = token
            few_scores[3 * index + 1] = scores[3 * token + 1]
        few_array = llama.llama_token_data_array(data=few, size=count)
        llama.llama_sampler_apply(self._chain, ctypes.byref(few_array))
        for index, token in enumerate(self._counts):
            scores[3 * token + 1] = few_scores[3 * index + 1]

    def fork(self) -> History:
        """One for another reply, in the state of this one."""
        other = copy.copy(self)
        other._chain = self._llama.llama_sampler_clone(self._chain)
        other._tokens, other._counts = self._tokens.copy(), self._counts.copy()
        return other

    def close(self) -> None:
        """Free it."""
        self._llama.llama_sampler_free(self._chain)


class _DryLinks:
    """The newest few, to be cloned: looking for the breakers in a whole vocabulary takes up to seconds."""

    _of_models: ClassVar[WeakKeyDictionary[Model, _DryLinks]] = WeakKeyDictionary()

    def __init__(self, model: Model) -> None:
        self._llama, self._vocabulary = model.llama, model.vocabulary
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, model: Model) -> _DryLinks:
        """The model's."""
        return cls._of_models.setdefault(model, cls(model))

    def made(self, sampling: Sampling, last_n: int) -> Any:
        """A new one, that has seen no token yet."""
        breakers = [text.encode("utf-8", "replace") for text in sampling.dry_sequence_breakers]
        numbers = (sampling.dry_multiplier, sampling.dry_base, sampling.dry_allowed_length, last_n)
        key = (*numbers, *breakers)
        with self._lock:
            if key not in self._known:
                array = (ctypes.c_char_p * len(breakers))(*breakers)
                self._known[key] = self._llama.llama_sampler_init_dry(self._vocabulary, *numbers, array, len(breakers))
            self._known.move_to_end(key)
            link = self._llama.llama_sampler_clone(self._known[key])
            if len(self._known) > DRY_LINKS:
                self._llama.llama_sampler_free(self._known.popitem(last=False)[1])
            return link


def _length(last_n: int, context_length: int) -> int:
    return context_length if last_n < 0 else min(last_n, context_length)
