import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.documents import vector_index_codes as coarse


def codes_of(vectors: np.ndarray) -> coarse.Codes:
    return coarse.encode(vectors, np.zeros(vectors.shape[1], dtype=np.float32))


class TestDifferences:
    @pytest.mark.parametrize("dimensions", [1, 8, 50, 63, 64, 65, 384])
    @pytest.mark.parametrize("count", [1, 2, 16_384, 16_385, 33_000])
    def test_they_are_the_dimensions_on_the_other_side(self, dimensions: int, count: int) -> None:
        random = np.random.default_rng(dimensions)
        vectors = random.standard_normal((count, dimensions)).astype(np.float32)
        query = random.standard_normal((1, dimensions)).astype(np.float32)
        expected = ((vectors > 0) != (query > 0)).sum(axis=1)
        assert np.array_equal(coarse.differences(codes_of(vectors), codes_of(query)[:, 0]), expected)

    def test_sides_are_those_of_the_centre(self) -> None:
        vectors = np.array([[1, 5], [3, 5], [3, 9]], dtype=np.float32)
        codes = coarse.encode(vectors, np.array([2, 7], dtype=np.float32))
        assert coarse.differences(codes, codes[:, 0]).tolist() == [0, 1, 2]

    def test_of_nothing(self) -> None:
        nothing = np.empty((0, 64), dtype=np.float32)
        assert coarse.differences(codes_of(nothing), np.zeros(1, dtype=np.uint64)).tolist() == []


class TestNearestFirst:
    @settings(deadline=None)
    @given(st.lists(st.integers(0, 70), max_size=300), st.integers(1, 50), st.integers(0, 64))
    def test_it_gives_each_once_in_order(self, far: list[int], first: int, limit: int) -> None:
        numbers = np.array(far, dtype=np.uint16)
        batches = [batch.tolist() for batch in coarse.nearest_first(numbers, limit, first)]
        expected = sorted((place for place, number in enumerate(far) if number <= limit), key=lambda place: far[place])
        assert [place for batch in batches for place in batch] == expected
        assert all(batches)

    def test_many_equal_ones_do_not_come_at_once(self) -> None:
        batches = coarse.nearest_first(np.zeros(1_000_000, dtype=np.uint16), limit=384, first=100)
        assert [len(next(batches)) for _ in range(4)] == [100, 400, 1600, 6400]
