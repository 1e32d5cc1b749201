"""Coarse vectors: one bit for each dimension, compared by counting the bits that differ.

    codes = encode(vectors, centre)
    far = differences(codes, encode(query[None], centre)[:, 0])
    for positions in nearest_first(far, limit=dimensions, first=500): ...

A million vectors of 384 dimensions take 48 MB so, and all of them are compared in milliseconds: whatever is filtered,
added or removed, there is no graph to repair. Bits say only who may be near; the vectors themselves decide.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.uint64]
"""Words x vectors: the first word of every vector, then the second of every vector, as they are compared."""
Positions = NDArray[np.intp]

_WORD_BITS = 64
_BLOCK = 16_384
"""Vectors compared at a time: what lies between two steps of the comparison stays in the processor's cache."""
_GROWTH = 4


def words(dimensions: int) -> int:
    """How many words the code of one vector has."""
    return -(-dimensions // _WORD_BITS)


def encode(vectors: Floats, centre: Floats) -> Codes:
    """On which side of `centre` each vector lies, dimension by dimension.

    - centre: the mean of many vectors. Some models leave all of theirs on the same side of zero.
    """
    bits = np.packbits(vectors > centre, axis=1)
    padded = np.zeros((len(vectors), words(vectors.shape[1]) * 8), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.ascontiguousarray(padded.view(np.uint64).T)


def differences(codes: Codes, code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """How many bits of each of `codes` differ from those of `code`."""
    count = codes.shape[1]
    found = np.empty(count, dtype=np.uint16)
    differing = np.empty((len(codes), min(count, _BLOCK)), dtype=np.uint64)
    counted = np.empty(differing.shape, dtype=np.uint8)
    for start in range(0, count, _BLOCK):
        block = codes[:, start : start + _BLOCK]
        size = block.shape[1]
        np.bitwise_xor(block, code[:, None], out=differing[:, :size])
        np.bitwise_count(differing[:, :size], out=counted[:, :size])
        np.sum(counted[:, :size], axis=0, dtype=np.uint16, out=found[start : start + size])
    return found


def nearest_first(far: NDArray[np.uint16], limit: int, first: int) -> Iterator[Positions]:
    """Where the smallest of `far` are, smallest first: `first` of them, then four times as many, and on to the end.

    - limit: larger numbers are left out.
    """
    within = np.cumsum(np.bincount(far, minlength=limit + 1)[: limit + 1])
    total, given, wanted, done = int(within[-1]), 0, first, -1
    while given < total:
        level = int(np.searchsorted(within, min(given + wanted, total)))
        near = far <= level if done < 0 else (far > done) & (far <= level)
        positions = np.flatnonzero(near)
        positions = positions[np.argsort(far[positions], kind="stable")]
        given += len(positions)
        done = level
        # Many equal vectors are equally far, and nobody asked for all of them at once.
        while len(positions):
            piece, positions = positions[:wanted], positions[wanted:]
            yield piece
            if len(piece) == wanted:
                wanted *= _GROWTH
