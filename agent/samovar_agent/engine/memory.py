"""How much memory a model will take, told from its header before anything is loaded.

    estimate(header, context_length=8192, threads=8, free_bytes=available_bytes())

weights + cache + buffers. The buffers are what one step computes in, as llama.cpp lays it out, plus the worker itself.
"""

from __future__ import annotations

import sys

from samovar_agent.engine.cache_size import PADDING, STEP_TOKENS, cache_bytes, padded, sequences, window_length
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
_POOLED_TEXTS = 64
"""Texts in one step of an embedding model."""
_POOL_LAST, _POOL_RANK = 3, 4
LANES, LANE_TOKENS, LANE_BYTES, SHARED_TOKENS = 4, 512, 64_000_000, 128
"""Encoders compute several texts side by side, each in a context of its own; see `worker.lanes`."""
_DEFAULT_POOLED_BYTES, _DEFAULT_POOLED_LEAST = 512_000_000, 512
"""Scores of an embedding model's text, which grow with its vocabulary, take no more where nobody asks for more."""
_MASK_BYTES, _NUMBER_BYTES = 2, 4


def default_context(header: GgufHeader, wanted: int) -> int:
    """Tokens of context where a load names none. - wanted: by the settings."""
    length = min(wanted, header.context_length or sys.maxsize)
    if "chat" in header.capabilities or _in_pieces(header):
        return length
    affordable = _DEFAULT_POOLED_BYTES // _pooled_row(header) // PADDING * PADDING
    return min(length, max(_DEFAULT_POOLED_LEAST, affordable))


def estimate(header: GgufHeader, *, context_length: int, threads: int, free_bytes: int) -> MemoryEstimate:
    """What loading would take. Mapped weights count in full: they must be in memory to work."""
    weights = header.tensor_bytes
    cache = cache_bytes(header, context_length)
    buffers = _buffer_bytes(header, context_length, threads)
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


def _buffer_bytes(header: GgufHeader, context_length: int, threads: int) -> int:
    tables = (header.vocabulary_size or 0) * _TOKEN_BYTES + header.merge_count * _MERGE_BYTES
    if "chat" in header.capabilities:
        return _WORKER_BYTES + tables + _writing_bytes(header, context_length)
    return _WORKER_BYTES + tables + _pooling_bytes(header, context_length, threads)


def _writing_bytes(header: GgufHeader, context_length: int) -> int:
    """What a chat model's steps take: what they compute in, and the scores that come out."""
    row = (header.vocabulary_size or 0) * _NUMBER_BYTES
    seen = padded(context_length)
    if window := window_length(header):
        seen += min(seen, padded(window * sequences(header) + STEP_TOKENS))
    # When the scores are computed, what the layers needed is free again.
    scoring = row * _SCORED_TOKENS + header.embedding_length * STEP_TOKENS * _NUMBER_BYTES
    return max(_layer_bytes(header, STEP_TOKENS, seen), scoring) + row * sequences(header)


def _pooling_bytes(header: GgufHeader, context_length: int, threads: int) -> int:
    """What an embedding model's steps take, once each lane has had a text as long as it may be."""
    if _in_pieces(header):
        step, seen = min(STEP_TOKENS, padded(context_length)), padded(context_length)
        row = _pooled_row(header) * _POOLED_TEXTS
        return max(_layer_bytes(header, step, seen), row) + row
    total = _pooled_step_bytes(header, context_length)
    if header.architecture in EMBEDDING_ARCHITECTURES:
        affordable = LANE_BYTES // (_NUMBER_BYTES * max(1, header.vocabulary_size or 0))
        longest = min(context_length, max(SHARED_TOKENS, min(LANE_TOKENS, affordable)))
        total += (max(1, min(LANES, threads)) - 1) * _pooled_step_bytes(header, longest)
    return total


def _pooled_step_bytes(header: GgufHeader, tokens: int) -> int:
    """What a text of so many tokens is computed in, as a whole."""
    # llama.cpp keeps room for scores of all tokens; an encoder does not compute any.
    kept = _pooled_row(header) * max(tokens, _POOLED_TEXTS)
    scoring = 0 if header.architecture in EMBEDDING_ARCHITECTURES else kept
    return max(_layer_bytes(header, padded(tokens), padded(tokens)), scoring) + kept


def _pooled_row(header: GgufHeader) -> int:
    """One token's scores and vector."""
    return ((header.vocabulary_size or 0) + header.embedding_length) * _NUMBER_BYTES


def _in_pieces(header: GgufHeader) -> bool:
    """Whether an embedding model reads a text a piece at a time, with scores of its last token alone."""
    decodes = header.architecture not in EMBEDDING_ARCHITECTURES
    return decodes and header.pooling_type in (_POOL_LAST, _POOL_RANK)


def _layer_bytes(header: GgufHeader, step: int, seen: int) -> int:
    """What one layer of a full step computes in: which token sees which, and the activations."""
    used = max(header.shape.get("expert_used_count", ()), default=0)
    experts = used * max(header.shape.get("expert_feed_forward_length", ()), default=0)
    gates = 1 if header.architecture in EMBEDDING_ARCHITECTURES else 3
    activations = gates * max(header.feed_forward_length, experts) + (4 + used) * header.embedding_length
    return step * (_MASK_BYTES * seen + _NUMBER_BYTES * activations)


def _readable(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
