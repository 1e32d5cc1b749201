"""Random weights with the names and shapes that llama.cpp asks for, the same ones each time."""

from __future__ import annotations

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Weights:
    """Writes a model's tensors; shapes are as llama.cpp writes them, the innermost dimension first."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer = writer
        self._random = np.random.default_rng(seed)

    def matrix(self, name: str, *shape: int, gain: float = 1.0) -> None:
        """Normally distributed, so that what comes out is as large as what goes in. - gain: times that."""
        values = self._random.standard_normal(shape[::-1]) * gain / np.sqrt(shape[0])
        self._add(f"{name}.weight", values)

    def norm(self, name: str, size: int, *, mean: float = 1.0, bias: bool = False) -> None:
        """The weights of a normalisation: all about `mean`."""
        self._add(f"{name}.weight", mean + 0.1 * self._random.standard_normal(size))
        if bias:
            self.bias(name, size)

    def bias(self, name: str, size: int, *, mean: float = 0.0) -> None:
        """Small values around `mean`."""
        self._add(f"{name}.bias", mean + 0.1 * self._random.standard_normal(size))

    def decay(self, name: str, *shape: int) -> None:
        """How fast the parts of a running state fade: some at once, some after many tokens."""
        steps = np.geomspace(0.1, 4.0, shape[0])
        self._add(name, -np.broadcast_to(steps, shape[::-1]))

    def ones(self, name: str, *shape: int) -> None:
        """All one."""
        self._add(name, np.ones(shape[::-1]))

    def _add(self, name: str, values: npt.NDArray[np.floating]) -> None:
        self._writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
