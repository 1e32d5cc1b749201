"""How much memory a model will take, told from its header before anything is loaded.

    estimate(header, context_length=8192, free_bytes=available_bytes())

weights + cache + buffers. The cache is what attention keeps of every token; the buffers are what one step computes in,
as llama.cpp lays it out for `CHUNK_TOKENS` tokens, plus the worker itself.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from samovar_agent.models.gguf import GgufHeader
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import MemoryEstimate

_STEP_TOKENS = 512
"""`CHUNK_TOKENS` of the worker."""
_CACHE_BYTES = 2
"""Keys and values are kept as 16-bit floats."""
_CACHE_PADDING = 256
"""llama.cpp rounds a cache up to so many tokens."""
_WORKER_BYTES = 28 * 1024 * 1024
"""A worker before it loads anything: Python, its libraries and llama.cpp."""
_TOKEN_BYTES = 400
"""Each entry of the vocabulary in llama.cpp's tables."""

_WITHOUT_WINDOW = frozenset({"phi3", "phimoe"})
"""Their headers name a sliding window that llama.cpp does not use."""

_CGROUP = Path("/sys/fs/cgroup")


def estimate(header: GgufHeader, *, context_length: int, free_bytes: int) -> MemoryEstimate:
    """What loading would take. Mapped weights count in full: they must be in memory to work."""
    weights = header.tensor_bytes
    cache = _cache_bytes(header, context_length)
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


def available_bytes() -> int:
    """Memory that can be had without swapping: the machine's, or a control group's where that is less."""
    available = int(psutil.virtual_memory().available)
    left = _cgroup_left(_CGROUP, Path("/proc/self/cgroup"))
    return available if left is None else min(available, left)


def resident_bytes(pid: int | None) -> int:
    """What a process has in memory now; 0 where it is gone."""
    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _cache_bytes(header: GgufHeader, context_length: int) -> int:
    tokens = _padded(context_length)
    full = _per_token(header) * tokens
    window = None if header.architecture in _WITHOUT_WINDOW else header.sliding_window
    if window is None or window >= context_length:
        return full
    # Which layers have a window is the architecture's secret; families alternate from 1:1 to 5:1. Half of them at the
    # window's length never promises too little room for a known one.
    return (full + _per_token(header) * min(_padded(window + _STEP_TOKENS), tokens)) // 2


def _per_token(header: GgufHeader) -> int:
    return sum(header.head_counts_kv) * (header.key_length + header.value_length) * _CACHE_BYTES


def _buffer_bytes(header: GgufHeader, context_length: int) -> int:
    mask = 2 * _padded(context_length) * _STEP_TOKENS
    activations = 4 * (3 * header.feed_forward_length + 4 * header.embedding_length) * _STEP_TOKENS
    vocabulary = (header.vocabulary_size or 0) * (_TOKEN_BYTES + 4)
    return mask + activations + vocabulary + _WORKER_BYTES


def _padded(tokens: int) -> int:
    return -(-tokens // _CACHE_PADDING) * _CACHE_PADDING


def _cgroup_left(root: Path, membership: Path) -> int | None:
    """What the tightest control group (version 2) above this process leaves; None without a limit."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return None
    left: int | None = None
    folder = root / own.lstrip("/")
    for group in (folder, *folder.parents):
        try:
            limit, used = (group / "memory.max").read_text().strip(), (group / "memory.current").read_text()
            # Pages of files are given back when memory is wanted.
            cached = sum(
                int(line.split()[1])
                for line in (group / "memory.stat").read_text().splitlines()
                if line.startswith("inactive_file ")
            )
        except OSError:
            continue
        if limit != "max":
            room = max(0, int(limit) - int(used) + cached)
            left = room if left is None else min(left, room)
        if group == root:
            break
    return left


def _readable(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
