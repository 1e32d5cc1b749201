import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from samovar_agent.documents import vector_index
from samovar_agent.documents.vector_index import VectorIndex
from tests.samovar_agent.documents.vector_fakes import FakeStore, Floats, like_texts

DIMENSIONS = 96
NOWHERE = Path("/nonexistent/x.vectors")


@pytest.fixture(params=["vectors", "codes"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both sizes of an index."""
    if request.param == "codes":
        monkeypatch.setattr(vector_index, "_EXACT_BYTES", 200 * DIMENSIONS * 4)
    return str(request.param)


@pytest.fixture
def filled(kind: str) -> tuple[VectorIndex, FakeStore]:
    """6,000 vectors, whose ids are the odd numbers."""
    store = FakeStore(DIMENSIONS)
    store.put(list(range(1, 12_001, 2)), like_texts(6000, DIMENSIONS))
    index = VectorIndex(NOWHERE, DIMENSIONS)
    index.rebuild(store.rows())
    assert (index._state.codes is not None) == (kind == "codes")
    return index, store


def queries(count: int) -> Floats:
    return like_texts(count, DIMENSIONS, seed=77)


def ids_of(hits: list[tuple[int, float]]) -> list[int]:
    return [id_ for id_, _ in hits]


class TestSearch:
    def test_it_finds_the_nearest(self, filled: tuple[VectorIndex, FakeStore], kind: str) -> None:
        index, store = filled
        hits = 0
        for query in queries(30):
            best = store.best(query, 10)
            found = index.search(query, 10, store.vectors_of)
            assert found == sorted(found, key=lambda hit: -hit[1])
            for id_, score in found:
                assert score == pytest.approx(float(store.vectors[id_] @ query), abs=1e-5), "scores are exact"
            hits += len(set(ids_of(found)) & set(ids_of(best)))
        assert hits == 300 if kind == "vectors" else hits >= 294

    def test_the_store_is_asked_once_and_for_few(self, filled: tuple[VectorIndex, FakeStore], kind: str) -> None:
        index, store = filled
        index.search(queries(1)[0], 10, store.vectors_of)
        assert store.asked == ([] if kind == "vectors" else [500])
        index.search(queries(1)[0], 200, store.vectors_of)
        assert store.asked[1:] == ([] if kind == "vectors" else [1000])

    def test_a_query_of_any_length(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        query = queries(1)[0]
        as_list = [float(value) * 7.5 for value in query]
        expected = index.search(query, 5, store.vectors_of)
        found = index.search(as_list, 5, store.vectors_of)
        assert ids_of(found) == ids_of(expected)
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)

    def test_more_than_there_are(self, kind: str) -> None:
        index, store = VectorIndex(NOWHERE, DIMENSIONS), FakeStore(DIMENSIONS)
        store.put(list(range(300)), like_texts(300, DIMENSIONS))
        index.rebuild(store.rows())
        assert sorted(ids_of(index.search(queries(1)[0], 1000, store.vectors_of))) == list(range(300))

    @pytest.mark.parametrize("limit", [0, -1])
    def test_none_wanted(self, filled: tuple[VectorIndex, FakeStore], limit: int) -> None:
        index, store = filled
        assert index.search(queries(1)[0], limit, store.vectors_of) == []

    def test_an_empty_index(self, kind: str) -> None:
        index = VectorIndex(NOWHERE, DIMENSIONS)
        assert index.search(queries(1)[0], 10, FakeStore(DIMENSIONS).vectors_of) == []
        assert len(index) == 0

    def test_of_equals_the_smaller_ids(self, kind: str) -> None:
        store = FakeStore(DIMENSIONS)
        store.put(list(range(5000)), np.repeat(like_texts(1, DIMENSIONS), 5000, axis=0))
        index = VectorIndex(NOWHERE, DIMENSIONS)
        index.rebuild(store.rows())
        assert ids_of(index.search(queries(1)[0], 3, store.vectors_of)) == [0, 1, 2]
        assert not store.asked or store.asked == [500], "boilerplate costs no more than other text"

    @pytest.mark.parametrize("query", [np.zeros(DIMENSIONS), np.full(DIMENSIONS, np.nan), np.ones(3), np.ones((1, 96))])
    def test_a_query_that_is_none(self, filled: tuple[VectorIndex, FakeStore], query: Floats) -> None:
        index, store = filled
        with pytest.raises(ValueError, match=r"direction|dimensions"):
            index.search(query, 5, store.vectors_of)

    @pytest.mark.parametrize("kind", ["codes"], indirect=True)
    def test_what_the_store_no_longer_has_is_left_out(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        query = queries(1)[0]
        first, second = ids_of(index.search(query, 2, store.vectors_of))
        del store.vectors[first]
        store.vectors[second] = store.vectors[second][:-1]
        hits = ids_of(index.search(query, 5, store.vectors_of))
        assert len(hits) == 5
        assert first not in hits and second not in hits


class TestFilters:
    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0005])
    @pytest.mark.parametrize("as_function", [False, True])
    def test_what_passes_is_found_however_little_it_is(
        self, filled: tuple[VectorIndex, FakeStore], kind: str, share: float, as_function: bool
    ) -> None:
        index, store = filled
        allowed = np.random.default_rng(3).choice(6000, int(6000 * share), replace=False).astype(np.int64) * 2 + 1
        passes = (lambda ids: np.isin(ids, allowed)) if as_function else allowed
        hits = expected = 0
        for query in queries(10):
            best = store.best(query, 10, set(allowed.tolist()))
            found = index.search(query, 10, store.vectors_of, passes)
            assert len(found) == min(10, len(allowed))
            assert set(ids_of(found)) <= set(allowed.tolist())
            hits += len(set(ids_of(found)) & set(ids_of(best)))
            expected += len(best)
        exact = kind == "vectors" or len(allowed) <= 500
        assert hits == expected if exact else hits >= 0.97 * expected

    def test_ids_that_are_not_here(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        allowed = np.array([12_001, 2, 9, 9, -5, 7, 1 << 40], dtype=np.int64)
        assert sorted(ids_of(index.search(queries(1)[0], 10, store.vectors_of, allowed))) == [7, 9]
        assert index.search(queries(1)[0], 10, store.vectors_of, np.empty(0, dtype=np.int64)) == []
        assert index.search(queries(1)[0], 10, store.vectors_of, np.array([2], dtype=np.int64)) == []

    def test_nothing_passes(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        asked: list[int] = []

        def none(ids: NDArray[np.int64]) -> np.ndarray:
            asked.extend(ids.tolist())
            return np.zeros(len(ids), dtype=np.bool_)

        assert index.search(queries(1)[0], 10, store.vectors_of, none) == []
        assert sorted(asked) == sorted(store.vectors), "each is asked for once"

    def test_where_many_pass_few_are_asked_for(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        asked: list[int] = []

        def most(ids: NDArray[np.int64]) -> np.ndarray:
            asked.append(len(ids))
            return np.asarray(ids % 10 != 3)

        assert len(index.search(queries(1)[0], 10, store.vectors_of, most)) == 10
        assert sum(asked) <= 3000


class TestChanges:
    def test_what_was_removed_is_not_found(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        query = queries(1)[0]
        gone = ids_of(index.search(query, 10, store.vectors_of))
        index.remove([*gone, 2, 99_999])
        assert len(index) == 5990
        for allowed in (None, np.array(gone, dtype=np.int64), lambda ids: np.isin(ids, gone)):
            assert not set(ids_of(index.search(query, 10, store.vectors_of, allowed))) & set(gone)

    def test_it_is_found_again_as_what_it_is_then(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        query = queries(1)[0]
        store.put([11], query[None])
        for again in range(2):
            index.add([11], query[None])
            [(id_, score)] = index.search(query, 1, store.vectors_of)
            assert id_ == 11 and score == pytest.approx(1, abs=1e-5), again
            assert len(index) == 6000

    def test_ids_in_any_order(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        added = like_texts(300, DIMENSIONS, seed=5)
        ids = np.random.default_rng(1).permutation(300) * 200
        store.put(ids.tolist(), added)
        index.add(ids.tolist(), added)
        assert index._state.alive_ids().tolist() == sorted(store.vectors)
        for id_, vector in zip(ids.tolist()[:20], added, strict=False):
            assert index.search(vector, 1, store.vectors_of)[0][0] == id_

    def test_of_an_id_that_comes_twice_the_last(self, kind: str) -> None:
        index, store = VectorIndex(NOWHERE, DIMENSIONS), FakeStore(DIMENSIONS)
        first, second = like_texts(2, DIMENSIONS)
        index.add([4, 4], np.stack([first, second]))
        store.put([4], second[None])
        [(id_, score)] = index.search(second, 5, store.vectors_of)
        assert id_ == 4 and score == pytest.approx(1, abs=1e-5)

    def test_much_that_was_removed_takes_no_room(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        kept = sorted(store.vectors)[::100]
        index.remove(sorted(store.vectors.keys() - set(kept)))
        assert len(index._state.ids) == len(index) == len(kept)
        for id_ in kept[:10]:
            assert index.search(store.vectors[id_], 1, store.vectors_of)[0][0] == id_

    @pytest.mark.parametrize(
        ("ids", "vectors"),
        [
            ([1], np.ones((1, 3))),
            ([1, 2], np.ones((1, DIMENSIONS))),
            ([1], np.ones(DIMENSIONS)),
            ([1, 2], np.stack([np.ones(DIMENSIONS), np.full(DIMENSIONS, np.nan)])),
            ([1], np.full((1, DIMENSIONS), np.inf)),
        ],
    )
    def test_no_vectors(self, ids: list[int], vectors: Floats) -> None:
        index = VectorIndex(NOWHERE, DIMENSIONS)
        with pytest.raises(ValueError, match=r"dimensions|number"):
            index.add(ids, vectors)
        assert len(index) == 0

    def test_growing_from_vectors_to_codes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vector_index, "_EXACT_BYTES", 1000 * DIMENSIONS * 4)
        index, store = VectorIndex(NOWHERE, DIMENSIONS), FakeStore(DIMENSIONS)
        vectors = like_texts(3000, DIMENSIONS)
        for start in range(0, 3000, 37):
            ids = list(range(start, min(start + 37, 3000)))
            store.put(ids, vectors[ids])
            index.add(ids, vectors[ids])
            index.remove([start])
            store.vectors.pop(start)
            assert (index._state.codes is None) == (index._state.vectors is not None)
            hits = index.search(vectors[ids[-1]], 3, store.vectors_of)
            assert hits[0][0] == ids[-1] or hits[0][1] == pytest.approx(hits[1][1], abs=1e-5)
        assert index._state.codes is not None
        assert index._state.alive_ids().tolist() == sorted(store.vectors)


class TestInStep:
    def test_catching_up(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        for id_ in (1, 555, 11_999):
            del store.vectors[id_]
        store.put([2, 50_001], like_texts(2, DIMENSIONS, seed=8))
        assert index.catch_up(sorted(store.vectors), store.vectors_of) == 5
        assert index._state.alive_ids().tolist() == sorted(store.vectors)
        assert store.asked == [2], "only what is missing"
        assert index.catch_up(sorted(store.vectors), store.vectors_of) == 0

    def test_what_is_no_vector_is_left_out(self, kind: str) -> None:
        index = VectorIndex(NOWHERE, DIMENSIONS)
        good = like_texts(1, DIMENSIONS)[0].tobytes()
        bad = np.full(DIMENSIONS, np.nan, dtype=np.float32).tobytes()
        index.rebuild([(1, b""), (2, good), (3, good[:-4]), (4, bad), (5, good + good), (6, good[:-1])])
        assert index._state.alive_ids().tolist() == [2]

    def test_the_old_serves_until_the_new_has_come(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled
        query = queries(1)[0]
        before = index.search(query, 5, store.vectors_of)

        def rows() -> vector_index.Rows:
            yield from list(store.rows())[:4200]
            assert index.search(query, 5, store.vectors_of) == before
            yield from list(store.rows())[4200:4500]

        index.rebuild(rows())
        assert len(index) == 4500

    def test_a_rebuild_that_fails_changes_nothing(self, filled: tuple[VectorIndex, FakeStore]) -> None:
        index, store = filled

        def rows() -> vector_index.Rows:
            yield from list(store.rows())[:4200]
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="gone"):
            index.rebuild(rows())
        assert len(index) == 6000


Step = tuple[str, list[int]]
steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "catch up"]), st.lists(st.integers(-3, 40), max_size=15)), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from([0, 10, 1 << 20]))
def test_whatever_is_done_it_has_what_the_store_has(steps: list[Step], exact: int) -> None:
    """With as few vectors as these, codes lose nothing either."""
    random = np.random.default_rng(len(steps))
    index, store = VectorIndex(NOWHERE, 16), FakeStore(16)
    query = random.standard_normal(16).astype(np.float32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vector_index, "_EXACT_BYTES", exact * 16 * 4)
        for step, ids in steps:
            vectors = random.standard_normal((len(ids), 16)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            if step == "add":
                store.put(ids, vectors)
                index.add(ids, vectors.reshape(-1, 16))
            elif step == "remove":
                index.remove(ids)
                for id_ in ids:
                    store.vectors.pop(id_, None)
            else:
                fresh = {id_: vector for id_, vector in zip(ids, vectors, strict=True) if id_ not in store.vectors}
                store.vectors = {id_: store.vectors[id_] for id_ in ids if id_ in store.vectors} | fresh
                index.catch_up(ids, store.vectors_of)
            assert len(index) == len(store.vectors)
            found, best = index.search(query, 50, store.vectors_of), store.best(query, 50)
            assert ids_of(found) == ids_of(best)
            allowed = {id_ for id_ in store.vectors if id_ % 3}
            found = index.search(query, 4, store.vectors_of, np.array(sorted(allowed), dtype=np.int64))
            assert ids_of(found) == ids_of(store.best(query, 4, allowed))


def test_searches_during_changes(kind: str) -> None:
    """No search fails, or finds what was never there."""
    store = FakeStore(DIMENSIONS)
    vectors = like_texts(12_000, DIMENSIONS)
    store.put(list(range(12_000)), vectors)
    index = VectorIndex(NOWHERE, DIMENSIONS)
    index.add(range(3000), vectors[:3000])
    over, problems, searches = threading.Event(), list[BaseException](), list[int]()

    def search(allowed: Callable[[NDArray[np.int64]], np.ndarray] | NDArray[np.int64] | None) -> None:
        number = 0
        try:
            while not over.is_set():
                number += 1
                query = vectors[(number * 331) % 3000]
                hits = index.search(query, 10, store.vectors_of, allowed)
                assert len(hits) == 10
                for id_, score in hits:
                    assert score == pytest.approx(float(vectors[id_] @ query), abs=1e-5)
        except BaseException as problem:
            problems.append(problem)
        searches.append(number)

    filters = (None, np.arange(0, 2000, dtype=np.int64), lambda ids: ids % 2 == 0)
    threads = [threading.Thread(target=search, args=(allowed,)) for allowed in filters]
    for thread in threads:
        thread.start()
    for start in range(3000, 12_000, 150):
        index.add(range(start, start + 150), vectors[start : start + 150])
        index.remove(range(start - 50, start))
        if start % 900 == 0:  # and some that do not come in order
            index.add(range(start - 50, start), vectors[start - 50 : start])
    over.set()
    for thread in threads:
        thread.join(20)
    assert not problems, problems
    assert min(searches) > 1
