"""How much memory a model will take, told from its header before anything is loaded.

    estimate(header, context_length=8192, free_bytes=available_bytes())

weights + cache + buffers. The buffers are what one step computes in, as llama.cpp lays it out, plus the worker itself.
"""

from __future__ import annotations

from samovar_agent.engine.cache_size import STEP_TOKENS, cache_bytes, padded, sequences, window_length
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_tables import EMBEDDING_ARCHITECTURES
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import MemoryEstimate

_WORKER_BYTES = 36_000_000
"""A worker before it loads anything: Python, its libraries and llama.cpp."""
_TOKEN_BYTES, _MERGE_BYTES = 170, 210
"""Each entry of the vocabulary and of its merges in llama.cpp's tables."""
_SCORED_TOKENS = 8
"""Replies whose next tokens are scored in one step. There is room for more, which takes no memory until used."""
_POOLED_TEXTS, _POOLED_TOKENS = 64, 256
"""Texts in one step of an embedding model, and what it computes at once at least."""
_POOL_LAST, _POOL_RANK = 3, 4
_MASK_BYTES, _NUMBER_BYTES = 2, 4


def estimate(header: GgufHeader, *, context_length: int, free_bytes: int) -> MemoryEstimate:
    """What loading would take. Mapped weights count in full: they must be in memory to work."""
    weights = header.tensor_bytes
    cache = cache_bytes(header, context_length)
    buffers = _buffer_bytes(header, context_length)
    return MemoryEstimate(
        need_bytes=weights + cache + buffers,
        free_bytes=free_bytes,
        weights_bytes=weights,
        cache_bytes=cache,
        buffer_bytes=buffers,
        context_length=context_length,
    )


def check_room(estimate: MemoryEstimate, name: str) -> None:
    """Raises `not_enough_memory`, with need and free, where the model does not fit."""
    if estimate.need_bytes <= estimate.free_bytes:
        return
    raise SamovarError(
        FailureCode.NOT_ENOUGH_MEMORY,
        f"'{name}' needs {_readable(estimate.need_bytes)} of memory; {_readable(estimate.free_bytes)} are free.",
        hint="Unload another model, choose a smaller context or a smaller model, or load it with --force.",
        details={"need_bytes": estimate.need_bytes, "free_bytes": estimate.free_bytes},
    )


def _buffer_bytes(header: GgufHeader, context_length: int) -> int:
    tables = (header.vocabulary_size or 0) * _TOKEN_BYTES + header.merge_count * _MERGE_BYTES
    writes = "chat" in header.capabilities
    return _WORKER_BYTES + tables + (_writing_bytes if writes else _pooling_bytes)(header, context_length)


def _writing_bytes(header: GgufHeader, context_length: int) -> int:
    """What a chat model's steps take: what they compute in, and the scores that come out."""
    row = (header.vocabulary_size or 0) * _NUMBER_BYTES
    seen = padded(context_length)
    if window := window_length(header):
        seen += min(seen, padded(window * sequences(header) + STEP_TOKENS))
    # When the scores are computed, what the layers needed is free again.
    scoring = row * _SCORED_TOKENS + header.embedding_length * STEP_TOKENS * _NUMBER_BYTES
    return max(_layer_bytes(header, STEP_TOKENS, seen), scoring) + row * sequences(header)


def _pooling_bytes(header: GgufHeader, context_length: int) -> int:
    """What an embedding model's steps take; llama.cpp keeps room for scores of all their tokens, though it has none."""
    encodes = header.architecture in EMBEDDING_ARCHITECTURES
    in_pieces = not encodes and header.pooling_type in (_POOL_LAST, _POOL_RANK)
    seen = padded(max(context_length, _POOLED_TOKENS))
    step = min(STEP_TOKENS, seen) if in_pieces else seen
    rows = _POOLED_TEXTS if in_pieces else step
    row = ((header.vocabulary_size or 0) + header.embedding_length) * _NUMBER_BYTES
    scoring = 0 if encodes else row * rows
    return max(_layer_bytes(header, step, seen), scoring) + row * rows


def _layer_bytes(header: GgufHeader, step: int, seen: int) -> int:
    """What one layer of a full step computes in: which token sees which, and the activations."""
    used = max(header.shape.get("expert_used_count", ()), default=0)
    experts = used * max(header.shape.get("expert_feed_forward_length", ()), default=0)
    gates = 1 if header.architecture in EMBEDDING_ARCHITECTURES else 3
    activations = gates * max(header.feed_forward_length, experts) + (4 + used) * header.embedding_length
    return step * (_MASK_BYTES * seen + _NUMBER_BYTES * activations)


def _readable(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
