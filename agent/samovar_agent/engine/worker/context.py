"""The small part that computes: one llama.cpp context whose cells all sequences share.

context = Context(model, options, interrupt)
rows = context.compute([Part(sequence=0, position=0, tokens=prompt, outputs=1)])
sampler.sample(context.pointer, rows[0])

It also is the `Memory` of a `PrefixCache`: what can be shared and cut back depends on how the model remembers, and is
known here alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.batch import Batch
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_protocol import FailureCode, SamovarError

STEP_TOKENS = 512
"""Tokens in one step at most. llama.cpp computes them as one graph, so a step happens wholly or not at all."""
SEQUENCES = 64
"""Running and remembered ones together, where they share cells and cost nothing but a number."""
STATES = 8
"""The same where each sequence has a state or a window of its own."""

_NO_ROOM, _ABORTED = 1, 2


class NoRoomError(Exception):
    """The memory is full; nothing was computed."""


class Part(NamedTuple):
    """What one sequence gets of a step.

    - position: of the first token, which is how many are in memory. - outputs: of so many last tokens the scores.
    """

    sequence: int
    position: int
    tokens: Sequence[int]
    outputs: int


class Context:
    """A model's memory, and steps of computing in it.

    - interrupt: ends a step half way, from another thread.
    Raises `load_failed` or `model_unsupported` with what llama.cpp said.
    """

    def __init__(self, model: Model, options: LoadOptions, interrupt: Interrupt) -> None:
        self._llama = llama = model.llama
        self._model, self._interrupt = model, interrupt  # llama.cpp keeps a pointer into the latter
        self._window = model.window
        self._recurrent = model.recurrent
        self.sequences = STATES if self._window or self._recurrent else SEQUENCES
        self.step_outputs = SEQUENCES  # llama.cpp wants as many as sequences; pages that are never used cost nothing
        self.cells = options.context_length
        self.pointer = self._new(options)
        self._memory = llama.llama_get_memory(self.pointer)
        if not self._memory:
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                "This model does not write text; it is for embeddings or ranking.",
                hint="Choose a chat model.",
            )
        if not self._recurrent:  # a recurrent state that was interrupted half way could not be repaired
            interrupt.attach(llama, self.pointer)
        self._lengths: dict[int, int] = {}
        self._batch = Batch(llama, STEP_TOKENS, with_positions=True)

    @property
    def bytes_per_token(self) -> int:
        """What a token takes in memory where attention is full: keys and values as 16-bit floats."""
        llama, model = self._llama, self._model.pointer
        heads = llama.llama_model_n_head_kv(model)
        width = llama.llama_model_n_embd(model) // max(1, llama.llama_model_n_head(model))
        return int(llama.llama_model_n_layer(model) * heads * width * 2 * 2)

    @property
    def can_rewind(self) -> bool:
        """Whether the newest tokens of a sequence can be forgotten again."""
        return not self._recurrent

    @property
    def can_share_any_prefix(self) -> bool:
        """Whether all that was computed stays, so that any beginning of a sequence can be shared."""
        return not self._recurrent and not self._window

    def compute(self, parts: Sequence[Part]) -> list[int] | None:
        """Compute one step; for each part the row of its first output, or -1; None where an interrupt came first.

        Together at most `STEP_TOKENS` tokens and `step_outputs` outputs. Raises `NoRoomError`.
        """
        batch, rows = self._batch, list[int]()
        count = 0
        for sequence, position, tokens, outputs in parts:
            end = count + len(tokens)
            batch.tokens[count:end] = tokens
            batch.positions[count:end] = list(range(position, position + len(tokens)))
            batch.owners[count:end] = [sequence] * len(tokens)
            batch.outputs[count:end] = [0] * (len(tokens) - outputs) + [1] * outputs
            rows.append(end - outputs if outputs else -1)
            count = end
        code = self._llama.llama_decode(self.pointer, batch.of(count))
        if code == 0:
            for sequence, position, tokens, _ in parts:
                self._lengths[sequence] = position + len(tokens)
            return rows
        if code == _ABORTED:
            return None
        if code == _NO_ROOM:
            raise NoRoomError
        raise SamovarError(
            FailureCode.INTERNAL,
            f"llama.cpp could not compute {count} tokens (code {code}): {self._model.log.error or 'without a reason'}.",
            hint="The worker's log has the details.",
        )

    def intact(self, sequence: int, length: int) -> bool:
        """Whether the first `length` tokens are all that is needed to go on from there.

        A state is only that of the newest token. The cells of a sliding window's layers are reused from the oldest on,
        so that what remains has no holes; it must reach back as far as the window does.
        """
        if length == self._lengths.get(sequence, 0):
            return True
        if self._recurrent:
            return False
        if not self._window:
            return True
        oldest: int = self._llama.llama_memory_seq_pos_min(self._memory, sequence)
        return 0 <= oldest <= max(0, length - self._window + 1)

    def share(self, source: int, target: int, length: int) -> bool:
        """Let the empty sequence `target` begin with the first tokens of `source`; False where that cannot be."""
        if not self.intact(source, length):
            return False
        self._llama.llama_memory_seq_cp(self._memory, source, target, -1, length)
        self._lengths[target] = length
        return True

    def truncate(self, sequence: int, length: int) -> bool:
        """Forget all but the first tokens; False where this kind of memory cannot go back."""
        if length == self._lengths.get(sequence, 0):
            return True
        if not self.intact(sequence, length):
            return False
        if not self._llama.llama_memory_seq_rm(self._memory, sequence, length, -1):
            return False
        self._lengths[sequence] = length
        return True

    def forget(self, sequence: int) -> None:
        """Forget all of a sequence."""
        self._llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        self._lengths.pop(sequence, None)

    def save(self, sequence: int) -> bytearray | None:
        """A sequence's state, to be kept outside; None where llama.cpp cannot give it."""
        size = self._llama.llama_state_seq_get_size(self.pointer, sequence)
        if not size:
            return None
        state = bytearray(size)
        array = (ctypes.c_uint8 * size).from_buffer(state)
        written = self._llama.llama_state_seq_get_data(self.pointer, array, size, sequence)
        return state if written == size else None

    def restore(self, sequence: int, state: bytes | bytearray, length: int) -> bool:
        """Give the empty sequence a saved state of `length` tokens; False where it does not fit."""
        llama = self._llama
        # It is only read, so neither kind needs a copy.
        if isinstance(state, bytes):
            data: Any = ctypes.cast(ctypes.c_char_p(state), ctypes.POINTER(ctypes.c_uint8))
        else:
            data = (ctypes.c_uint8 * len(state)).from_buffer(state)
        read = llama.llama_state_seq_set_data(self.pointer, data, len(state), sequence)
        if not read or llama.llama_memory_seq_pos_max(self._memory, sequence) != length - 1:
            llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            return False
        self._lengths[sequence] = length
        return True

    def reset(self) -> None:
        """Forget everything, after a failure that may have left anything behind."""
        self._llama.llama_memory_clear(self._memory, True)
        self._lengths.clear()

    def close(self) -> None:
        """Free everything."""
        self._llama.llama_free(self.pointer)

    def _new(self, options: LoadOptions) -> Any:
        llama = self._llama
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = options.context_length
        parameters.n_batch = parameters.n_ubatch = STEP_TOKENS
        parameters.n_seq_max = self.sequences
        parameters.n_outputs_max = self.step_outputs
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = options.threads
        parameters.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
        # Cells of a window that several sequences share are not reused; with as many as there are tokens, none lacks.
        parameters.swa_full = self._window * self.sequences + STEP_TOKENS >= options.context_length
        context = llama.llama_init_from_model(self._model.pointer, parameters)
        if not context:
            raise self._model.log.failure("make room for this model's context")
        return context
