"""What llama.cpp keeps of a conversation, layer by layer, told from a model's header.

    cache_bytes(header, context_length=8192)

A layer with full attention keeps a key and a value of each token; one with a sliding window only of the last tokens of
each sequence; a recurrent one a state for each sequence. Which layer is which, llama.cpp knows by the architecture;
what is not in these tables counts in full, so that nothing is promised that does not fit.
"""

from __future__ import annotations

from typing import NamedTuple

from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_tables import EMBEDDING_ARCHITECTURES

STEP_TOKENS = 512
"""Tokens in a step of the worker, which a window has to hold beside what it looks back at."""
SEQUENCES, STATES = 64, 8
"""The worker's sequences: where they share cells, and where each has a state or a window of its own."""
_VALUE_BYTES, _STATE_BYTES = 2, 4
PADDING = 256
"""llama.cpp rounds a cache up to so many tokens."""


class _Windows(NamedTuple):
    """Where windows are. - period: one layer in so many has full attention; 0 where the header lists them.

    - full_first: the first of a period and not the last. - size: where the header names none.
    """

    period: int
    full_first: bool = False
    size: int = 0


_WINDOWS = {
    "afmoe": _Windows(4),
    "cohere2": _Windows(4),
    "cohere2moe": _Windows(4, full_first=True),
    "exaone-moe": _Windows(4, size=128),
    "exaone4": _Windows(4, size=4096),
    "gemma2": _Windows(2, size=4096),
    "gemma3": _Windows(6),
    "gemma3n": _Windows(5),
    "gemma4": _Windows(0),
    "gpt-oss": _Windows(2),
    "granite_swa": _Windows(0),
    "laguna": _Windows(4, full_first=True),
    "llama4": _Windows(4, size=8192),
    "maple": _Windows(0),
    "mellum": _Windows(4),
    "mimo2": _Windows(0),
    "muse-glimmer": _Windows(4),
    "olmo2": _Windows(4),
    "plamo3": _Windows(8),
    "smallthinker": _Windows(4, full_first=True, size=4096),
    "spark2_5": _Windows(0),
    "step35": _Windows(0),
}
"""Architectures with windows that llama.cpp uses; other headers may name one (phi3, qwen2), and it does not."""

_ALL_RECURRENT = frozenset({"arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7"})
_BOTH_IN_EACH_LAYER = frozenset({"falcon-h1"})
_ATTENTION_EVERY = frozenset({"minimax-01", "qwen35", "qwen35moe", "qwen3next", "qwen4exp"})
"""Recurrent but for one layer in `full_attention_interval`. Other hybrids have no key-value heads where they are."""
_ATTENTION_INTERVAL = 4
_SHARING_FROM = {"gemma3n": 20}
"""From this layer on, layers use what earlier ones keep."""
_TOKEN_SHIFTS = 2


def cache_bytes(header: GgufHeader, context_length: int) -> int:
    """Bytes of keys, values and states for so many tokens of context. Encoders keep nothing."""
    if header.architecture in EMBEDDING_ARCHITECTURES:
        return 0
    cells = padded(context_length)
    window_cells = min(cells, padded(window_length(header) * STATES + STEP_TOKENS))
    windowed, recurrent = windowed_layers(header), _recurrent_layers(header)
    attention_only = header.architecture not in _BOTH_IN_EACH_LAYER
    total = len(recurrent) * _state_values(header) * STATES * _STATE_BYTES
    for layer in range(_own_layers(header)):
        if layer in recurrent and attention_only:
            continue
        in_window = layer in windowed
        total += _token_values(header, layer, in_window) * (window_cells if in_window else cells) * _VALUE_BYTES
    return total


def sequences(header: GgufHeader) -> int:
    """How many sequences the worker's context has."""
    return STATES if windowed_layers(header) or _recurrent_layers(header) else SEQUENCES


def window_length(header: GgufHeader) -> int:
    """How far windowed layers look back; 0 where llama.cpp uses no window."""
    windows = _WINDOWS.get(header.architecture)
    if windows is None:
        return 0
    if header.architecture == "llama4":  # the header says only whether
        return 0 if header.sliding_window == 0 else windows.size
    if header.architecture == "exaone4" and header.block_count != 64:  # only the large one
        return 0
    return header.sliding_window or windows.size


def windowed_layers(header: GgufHeader) -> frozenset[int]:
    """Layers that look back only so far."""
    windows = _WINDOWS.get(header.architecture)
    if windows is None or not window_length(header):
        return frozenset()
    layers = range(header.block_count)
    pattern = header.shape.get("attention.sliding_window_pattern", ())
    if len(pattern) > 1:
        return frozenset(layer for layer, flag in zip(layers, pattern, strict=False) if flag)
    period = pattern[0] if pattern else windows.period
    full = 0 if windows.full_first else period - 1
    return frozenset(layer for layer in layers if period and layer % period != full)


def padded(tokens: int) -> int:
    """Tokens as llama.cpp rounds them up."""
    return -(-tokens // PADDING) * PADDING


def _own_layers(header: GgufHeader) -> int:
    """Layers that keep something; they come first."""
    shared = _number(header, "attention.shared_kv_layers") if header.architecture == "gemma4" else 0
    return min(_SHARING_FROM.get(header.architecture, header.block_count), header.block_count - shared)


def _recurrent_layers(header: GgufHeader) -> frozenset[int]:
    if not header.recurrent:
        return frozenset()
    layers = range(header.block_count)
    if header.architecture in _ALL_RECURRENT | _BOTH_IN_EACH_LAYER:
        return frozenset(layers)
    if header.architecture in _ATTENTION_EVERY:
        interval = _number(header, "full_attention_interval") or _ATTENTION_INTERVAL
        return frozenset(layer for layer in layers if (layer + 1) % interval)
    return frozenset(layer for layer in layers if not header.head_counts_kv[layer])


def _token_values(header: GgufHeader, layer: int, in_window: bool) -> int:
    """Numbers that a layer keeps of one token."""
    key, value = header.key_length, header.value_length
    if in_window:
        key = _number(header, "attention.key_length_swa") or key
        value = _number(header, "attention.value_length_swa") or value
    if _number(header, "attention.key_length_mla"):  # one latent vector, which is key and value
        value = 0
    return header.head_counts_kv[layer] * (key + value)


def _state_values(header: GgufHeader) -> int:
    """Numbers of one recurrent layer's state: of its convolution, and its memory."""
    if head := _number(header, "wkv.head_size"):
        shifts = _number(header, "token_shift_count") or _TOKEN_SHIFTS
        return header.embedding_length * (shifts + head)
    if length := _number(header, "shortconv.l_cache"):
        return header.embedding_length * (length - 1)
    kernel = max(_number(header, "ssm.conv_kernel") - 1, 0)
    if head := _number(header, "kda.head_dim"):
        return header.head_count * head * (3 * (kernel or 3) + head)
    inner, state = _number(header, "ssm.inner_size"), _number(header, "ssm.state_size")
    return kernel * (inner + 2 * _number(header, "ssm.group_count") * state) + inner * state


def _number(header: GgufHeader, key: str) -> int:
    return max(header.shape.get(key, ()), default=0)
