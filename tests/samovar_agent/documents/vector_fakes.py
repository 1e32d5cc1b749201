"""Vectors to search in: some that resemble each other as those of texts do, and the store that has them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def like_texts(count: int, dimensions: int, seed: int = 0) -> Floats:
    """Normalised vectors around a few hundred topics.

    As those of models they lie all somewhat to one side, and some directions say more than others.
    """
    random = np.random.default_rng(seed)
    # The same whatever the seed: queries are about what the texts are about.
    fixed = np.random.default_rng(1)
    weights = 1 / np.sqrt(np.arange(1, dimensions + 1))
    turned = np.linalg.qr(fixed.standard_normal((dimensions, dimensions)))[0]
    topics = fixed.standard_normal((300, dimensions))
    side = fixed.standard_normal(dimensions) * 0.2
    own = topics[random.integers(0, len(topics), count)] + 0.6 * random.standard_normal((count, dimensions))
    vectors = side + (own * weights) @ turned
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors, dtype=np.float32)


class FakeStore:
    """A dictionary in the place of the table of vectors, which counts what it was asked for."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.vectors: dict[int, Floats] = {}
        self.asked: list[int] = []

    def put(self, ids: list[int], vectors: Floats) -> None:
        self.vectors.update(zip(ids, vectors, strict=True))

    def rows(self) -> Iterator[tuple[int, bytes]]:
        return ((id_, vector.tobytes()) for id_, vector in sorted(self.vectors.items(), key=lambda row: row[0]))

    def vectors_of(self, ids: list[int]) -> list[tuple[int, bytes]]:
        self.asked.append(len(ids))
        # In another order than asked, as a database may.
        return [(id_, self.vectors[id_].tobytes()) for id_ in reversed(ids) if id_ in self.vectors]

    def best(self, query: Floats, limit: int, allowed: set[int] | None = None) -> list[tuple[int, float]]:
        """What a search should find."""
        ids = sorted(self.vectors.keys() if allowed is None else self.vectors.keys() & allowed)
        if not ids:
            return []
        scores = np.stack([self.vectors[id_] for id_ in ids]) @ (query / np.linalg.norm(query))
        order = np.lexsort((np.array(ids), -scores))[:limit]
        return [(ids[place], float(scores[place])) for place in order]
