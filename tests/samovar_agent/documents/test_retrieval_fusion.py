from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.retrieval_fusion import DEPTH, fused

SCORES = st.dictionaries(st.integers(0, 40), st.floats(0.001, 50), max_size=30).map(
    lambda scores: sorted(scores.items(), key=lambda item: -item[1])
)


def ids(scores: list[tuple[int, float]]) -> list[int]:
    return [id_ for id_, _ in scores]


def test_what_both_find_comes_before_what_one_finds() -> None:
    words = [(1, 9.0), (2, 8.0), (3, 1.0)]
    vectors = [(4, 0.9), (2, 0.8), (5, 0.1)]
    assert fused(words, vectors)[0][0] == 2
    assert set(ids(fused(words, vectors))) == {1, 2, 3, 4, 5}


def test_how_much_better_counts_and_not_the_rank_alone() -> None:
    vectors = [(1, 0.80), (2, 0.79), (3, 0.10)]
    assert ids(fused([(1, 9.0), (2, 8.9), (3, 0.5)], vectors)) == [1, 2, 3]
    assert ids(fused([(2, 9.0), (1, 2.0), (3, 0.5)], vectors)) == [2, 1, 3]
    assert ids(fused([(2, 9.0), (1, 8.999), (3, 0.5)], vectors)) == [1, 2, 3]


@given(scores=SCORES)
def test_one_list_alone_keeps_its_order(scores: list[tuple[int, float]]) -> None:
    for result in (fused(scores, []), fused([], scores)):
        values = [value for _, value in result]
        assert values == sorted(values, reverse=True)
        assert set(ids(result)) == set(ids(scores))
        assert [dict(scores)[id_] for id_ in ids(result)] == pytest.approx([score for _, score in scores])


@given(words=SCORES, vectors=SCORES)
def test_scores_are_from_0_to_1_best_first(words: list[tuple[int, float]], vectors: list[tuple[int, float]]) -> None:
    result = fused(words, vectors)
    values = [value for _, value in result]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 + 1e-9 for value in values)
    assert len(result) == len(set(ids(words)) | set(ids(vectors)))


def test_only_so_many_of_each_list_count() -> None:
    words = [(n, 1000.0 - n) for n in range(DEPTH + 50)]
    vectors = [(1000 + n, 1 - n / 1000) for n in range(DEPTH + 50)]
    assert len(fused(words, vectors)) == 2 * DEPTH


def test_what_a_full_list_leaves_out_may_be_as_good_as_its_last() -> None:
    words = [(n, 10.0) for n in range(DEPTH)]
    assert dict(fused(words, [(1000, 0.5)], share=0.5))[1000] == 1.0
    assert dict(fused(words[:-1], [(1000, 0.5)], share=0.5))[1000] == 0.5


def test_what_is_opposite_in_meaning_counts_as_unrelated() -> None:
    assert dict(fused([(1, 4.0), (2, 2.0)], [(1, -0.1), (2, -0.2)], share=0.5)) == {1: 0.5, 2: 0.25}


def test_nothing_found_is_nothing() -> None:
    assert fused([], []) == []
