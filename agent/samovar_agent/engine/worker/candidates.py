"""All tokens with their scores, as one array that C fills and C samplers work on.

Filling it from Python takes ten times as long as choosing a token. llama.cpp fills one only on the way through a chain
of samplers, so ours is a chain whose one link hands the array to whoever looks at it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from samovar_agent.engine.worker.model import Model

LIKELIEST = (128, 4096)


class Candidates:
    """The array, one for all samplers of a model; used by one thread at a time.

    - greedy: selects the best of it. - likeliest: each leaves so many of the best.
    """

    _of_models: ClassVar[WeakKeyDictionary[Model, Candidates]] = WeakKeyDictionary()

    def __init__(self, model: Model) -> None:
        self._llama = llama = model.llama
        self._look: Callable[[Any], None] | None = None
        self._error: BaseException | None = None
        self._callback = llama.llama_sampler_i_apply(self._apply)
        self._interface = llama.llama_sampler_i(apply=self._callback)  # must live as long as the chain
        self._chain = self._chain_of(llama.llama_sampler_init(ctypes.byref(self._interface), None))
        self.greedy = self._chain_of(llama.llama_sampler_init_greedy())
        self.likeliest = [llama.llama_sampler_init_top_k(count) for count in LIKELIEST]
        self._size = model.vocabulary_size
        self._address = 0
        self._scores = memoryview(b"").cast("f")

    @classmethod
    def of(cls, model: Model) -> Candidates:
        """The model's; it lives as long as the model."""
        found = cls._of_models.get(model)
        if found is None:
            found = cls._of_models[model] = cls(model)
        return found

    def visit(self, context: Any, row: int, look: Callable[[Any], None]) -> int:
        """Call `look` with a pointer to the array of an output row; returns the token that it has selected there.

        In the array tokens are ordered by their ids, until `look` changes that. The pointer is valid in `look` only.
        """
        self._look = look
        token: int = self._llama.llama_sampler_sample(self._chain, context, row)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return token

    def scores(self, array: Any) -> memoryview[float]:
        """The scores in an array that `visit` showed: of the candidate at `index`, that at `3 * index + 1`."""
        address = ctypes.addressof(array[0].data.contents)
        if self._address != address:
            buffer = (ctypes.c_float * (3 * self._size)).from_address(address)
            self._address, self._scores = address, memoryview(buffer).cast("B").cast("f")
        return self._scores

    def _chain_of(self, link: Any) -> Any:
        chain = self._llama.llama_sampler_chain_init(self._llama.llama_sampler_chain_default_params())
        self._llama.llama_sampler_chain_add(chain, link)
        return chain

    def _apply(self, _: Any, array: Any) -> None:
        assert self._look is not None
        array[0].selected = 0  # llama.cpp aborts the process where there is none
        try:
            self._look(array)
        except BaseException as error:  # an exception cannot pass through C
            self._error = error
