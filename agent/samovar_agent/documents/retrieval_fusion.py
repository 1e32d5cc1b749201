"""Two searches made one: by the words that are there, and by what is meant.

fused(words, vectors)      # [(id, score), ...], best first
"""

from __future__ import annotations

from collections.abc import Sequence

Scores = Sequence[tuple[int, float]]
"""Ids with their scores, best first; larger is better, and 0 is unrelated."""

DEPTH = 100
"""Results of each search that count."""
VECTORS_SHARE = 0.7
"""From 0.6 to 0.8 it makes little difference: a sum in which meaning leads and words decide among what is near."""


def fused(
    words: Scores, vectors: Scores, *, share: float = VECTORS_SHARE, depth: int = DEPTH
) -> list[tuple[int, float]]:
    """The results of both, best first, with scores from 0 to 1.

    A score counts as a part of the best score of its list, so that it matters how much better one result is than the
    next, which ranks do not say; and where all are as good, that list decides nothing.
    - share: of the vectors in the sum. - depth: so many of each list count.
    With one of the lists empty this is the other one.
    """
    if not vectors or not words:
        share = 1.0 if vectors else 0.0
    by_words, other_words = _parts(words[:depth], complete=len(words) < depth)
    by_meaning, other_meaning = _parts(vectors[:depth], complete=False)
    total = {
        id_: (1 - share) * by_words.get(id_, other_words) + share * by_meaning.get(id_, other_meaning)
        for id_ in by_words | by_meaning
    }
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def _parts(scores: Scores, *, complete: bool) -> tuple[dict[int, float], float]:
    """Scores as parts of the best one, and the part of what is not in the list.

    - complete: what is not in it is unrelated; otherwise it may be as good as the last one that is.
    """
    best = scores[0][1] if scores else 0.0
    if best <= 0:
        return dict.fromkeys((id_ for id_, _ in scores), 0.0), 0.0
    parts = {id_: max(0.0, score) / best for id_, score in scores}
    return parts, 0.0 if complete else max(0.0, scores[-1][1]) / best
