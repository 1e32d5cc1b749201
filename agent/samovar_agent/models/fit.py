"""Would a model that is not here yet load into the memory that is free now? Told from the size of its file.

    fit(size_bytes=4_683_073_184, parameters=7_615_616_512, context_length=32_768, usual_context=8192, free_bytes=free)

Only the header says exactly what loading takes, and it comes with the file. What is known before is the file's size,
nearly all of it weights, and mostly the number of parameters. What loading takes beside the weights:

- *The cache*: for each token of context a key and a value in each layer, two bytes a number. With the dimensions of
  today's dense models that is 100 to 150 kB a token at 1 to 8 billion parameters, 260 at 32, 320 at 70: it grows about
  with the cube root of the parameters. Windows, shared layers and multi-query attention take less, older models
  without grouped heads take more. Encoders have none.
- *Buffers*: the worker itself, the tables of the vocabulary, and what a step computes in; some 150 MB, or 330 where
  many texts are embedded at once, and a little that grows with the model.

So this is rough on purpose: "fits" is said where it does, with some room, and the estimate before a load is exact.
"""

from __future__ import annotations

from samovar_protocol.values import Fit

SHORTEST_CONTEXT = 2048
"""With less, a model is of no use for talking."""
_CACHE_AT_A_BILLION = 112_000
"""Bytes of cache that a token takes in a model of one billion parameters."""
_WRITING_BUFFERS, _POOLING_BUFFERS = 150_000_000, 330_000_000
_BUFFERS_PER_WEIGHT = 0.02
_BYTES_A_PARAMETER = 0.6
"""In the usual quantization; for models that do not say how many they have."""


def fit(
    *,
    size_bytes: int,
    parameters: int | None,
    context_length: int | None,
    usual_context: int,
    free_bytes: int,
    writes: bool = True,
) -> Fit:
    """Whether it fits with its usual context, with a shorter one, or not.

    - size_bytes: of all its files. - parameters, context_length: None where nobody said.
    - usual_context: tokens that a load takes where it names none. - writes: False for models that only embed or rank.
    """
    usual = min(usual_context, context_length or usual_context)
    if need(size_bytes, parameters, usual if writes else 0) <= free_bytes:
        return "fits"
    if writes and need(size_bytes, parameters, min(usual, SHORTEST_CONTEXT)) <= free_bytes:
        return "less-context"
    return "too-large"


def need(size_bytes: int, parameters: int | None, context_length: int) -> int:
    """About what loading takes, in bytes. - context_length: 0 for models without a cache."""
    billions = (parameters or size_bytes / _BYTES_A_PARAMETER) / 1e9
    cache = context_length * _CACHE_AT_A_BILLION * billions ** (1 / 3)
    buffers = _WRITING_BUFFERS if context_length else _POOLING_BUFFERS
    return int(size_bytes * (1 + _BUFFERS_PER_WEIGHT) + buffers + cache)
