"""What llama.cpp is given to compute: a batch over arrays of ours, so that filling it is a copy of slices."""

from __future__ import annotations

import ctypes
from typing import Any


class Batch:
    """Room for `size` tokens, each of one sequence.

        batch = Batch(llama, 512)
        batch.tokens[:2], batch.owners[:2], batch.outputs[:2] = [5, 6], [0, 0], [0, 1]
        llama.llama_decode(context, batch.of(2))

    - with_positions: they have to be filled in too; otherwise llama.cpp counts them itself.
    """

    def __init__(self, llama: Any, size: int, *, with_positions: bool = False) -> None:
        self.tokens = (llama.llama_token * size)()
        self.owners = (llama.llama_seq_id * size)()
        self.outputs: Any = (ctypes.c_int8 * size)()
        first, one = ctypes.addressof(self.owners), ctypes.sizeof(llama.llama_seq_id)
        self._owner_pointers = (ctypes.c_void_p * size)(*range(first, first + one * size, one))
        self._batch = batch = llama.llama_batch()
        batch.token = ctypes.cast(self.tokens, ctypes.POINTER(llama.llama_token))
        batch.seq_id = ctypes.cast(self._owner_pointers, ctypes.POINTER(ctypes.POINTER(llama.llama_seq_id)))
        batch.logits = ctypes.cast(self.outputs, ctypes.POINTER(ctypes.c_int8))
        self.positions: Any = None
        if with_positions:
            self.positions = (llama.llama_pos * size)()
            batch.pos = ctypes.cast(self.positions, ctypes.POINTER(llama.llama_pos))

    def of(self, count: int) -> Any:
        """llama.cpp's own, of the first `count` tokens."""
        self._batch.n_tokens = count
        return self._batch
