"""The small part that computes vectors: a llama.cpp context that pools all tokens of a text into one row of numbers.

context = PooledContext(model, reading_of(model), 512, interrupt)
rows = context.compute([first_tokens, second_tokens], threads=2, poll=lambda: None)

An encoder reads a text as a whole, so its longest text decides how large a step may be. A decoder that pools by the
last token goes through a text from left to right, a piece at a time, and computes an output for that token alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from samovar_agent.engine.worker.batch import Batch
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_protocol import FailureCode, SamovarError

PIECE_TOKENS = 512
"""Tokens of a text that a decoder computes at once."""
STEP_TEXTS = 64
"""Texts in one step at most."""
ROOM_TOKENS = 256
"""Room is a multiple of this: llama.cpp rounds it up, and wants no remainder when it divides it by the texts."""

_ABORTED = 2


class Reading(NamedTuple):
    """How a model reads texts. - pooling: llama.cpp's number. - remembers: has a memory, as decoders do.

    - in_pieces: whether a text may be computed a piece at a time. - texts: in one step at most.
    """

    pooling: int
    remembers: bool
    in_pieces: bool
    texts: int


def reading_of(model: Model) -> Reading:
    """What a context on trial tells; texts are pooled by their mean where the model's file does not say how."""
    llama = model.llama
    unknown = Reading(llama.LLAMA_POOLING_TYPE_UNSPECIFIED, False, False, 1)
    trial = _new_context(model, unknown, room=ROOM_TOKENS, step_tokens=ROOM_TOKENS)
    pooling: int = llama.llama_pooling_type(trial) or llama.LLAMA_POOLING_TYPE_MEAN
    remembers = bool(llama.llama_get_memory(trial))
    by_last_token = pooling == llama.LLAMA_POOLING_TYPE_LAST or (
        pooling == llama.LLAMA_POOLING_TYPE_RANK and llama.llama_get_causal_attn(trial)
    )
    llama.llama_free(trial)
    # A recurrent model would keep a state for each text of a step.
    return Reading(pooling, remembers, remembers and by_last_token, 1 if model.recurrent else STEP_TEXTS)


class PooledContext:
    """What vectors or scores are computed in; one thread may use it at a time.

    - room: tokens of a step, or of a text that is read in pieces; a multiple of `ROOM_TOKENS`. - interrupt: ends a step
    half way, from another thread. Raises `load_failed` or `model_unsupported` with what llama.cpp said.
    """

    def __init__(self, model: Model, reading: Reading, room: int, interrupt: Interrupt) -> None:
        self._llama = llama = model.llama
        self._model, self._interrupt = model, interrupt  # llama.cpp keeps a pointer into the latter
        self._in_pieces = reading.in_pieces
        self._step_tokens = min(room, PIECE_TOKENS) if reading.in_pieces else room
        self.pointer = _new_context(model, reading, room, self._step_tokens)
        self._memory = llama.llama_get_memory(self.pointer)
        ranks = reading.pooling == llama.LLAMA_POOLING_TYPE_RANK
        self._width = (llama.llama_model_n_cls_out if ranks else llama.llama_model_n_embd_out)(model.pointer)
        interrupt.attach(llama, self.pointer)
        self._batch = Batch(llama, self._step_tokens)

    def compute(
        self, texts: Sequence[Sequence[int]], threads: int, poll: Callable[[], None]
    ) -> list[list[float]] | None:
        """A row for each text of one step, none of them empty; None where an interrupt came first.

        - poll: called between the pieces of a long text; may raise to stop.
        """
        llama, pointer = self._llama, self.pointer
        llama.llama_set_n_threads(pointer, threads, threads)
        if self._memory:
            llama.llama_memory_clear(self._memory, False)
        if not (self._read_in_pieces(texts, poll) if self._in_pieces else self._read(texts, poll, outputs=True)):
            return None
        return [llama.llama_get_embeddings_seq(pointer, index)[: self._width] for index in range(len(texts))]

    def close(self) -> None:
        """Free everything."""
        self._llama.llama_free(self.pointer)

    def _read_in_pieces(self, texts: Sequence[Sequence[int]], poll: Callable[[], None]) -> bool:
        """All but the last tokens without outputs, which take time and memory by the size of the vocabulary."""
        set_outputs, pointer = self._llama.llama_set_embeddings, self.pointer
        set_outputs(pointer, False)
        try:
            if not self._read([tokens[:-1] for tokens in texts], poll, outputs=False):
                return False
        finally:
            set_outputs(pointer, True)
        return self._read([tokens[-1:] for tokens in texts], poll, outputs=True)

    def _read(self, texts: Sequence[Sequence[int]], poll: Callable[[], None], *, outputs: bool) -> bool:
        """Compute these tokens behind those in memory; False where it was interrupted."""
        batch = self._batch
        tokens = [token for text in texts for token in text]
        owners = [index for index, text in enumerate(texts) for _ in text]
        for start in range(0, len(tokens), self._step_tokens):
            if start:
                poll()
            count = min(self._step_tokens, len(tokens) - start)
            batch.tokens[:count] = tokens[start : start + count]
            batch.owners[:count] = owners[start : start + count]
            batch.outputs[:count] = [int(outputs)] * count
            code = self._llama.llama_decode(self.pointer, batch.of(count))
            if code == _ABORTED:
                return False
            if code:
                raise SamovarError(
                    FailureCode.INTERNAL,
                    f"llama.cpp could not compute {count} tokens (code {code}): "
                    f"{self._model.log.error or 'it gave no reason'}.",
                    hint="The worker's log has the details.",
                )
        return True


def _new_context(model: Model, reading: Reading, room: int, step_tokens: int) -> Any:
    llama = model.llama
    parameters = llama.llama_context_default_params()
    parameters.embeddings = True
    parameters.pooling_type = reading.pooling
    parameters.n_ctx = room
    parameters.n_batch = parameters.n_ubatch = step_tokens
    parameters.n_seq_max = reading.texts
    if reading.in_pieces:
        parameters.n_outputs_max = reading.texts
    parameters.kv_unified = True
    parameters.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
    context = llama.llama_init_from_model(model.pointer, parameters)
    if not context:
        raise model.log.failure("make room for this model's context")
    return context
