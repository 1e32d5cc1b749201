"""Vectors: each model its own, and what is left to do."""

from __future__ import annotations

import pytest

from samovar_agent.store.store import Store
from samovar_agent.store.vectors import Unembedded
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.store.documents_made import folder, indexed, sound, vector_of


async def test_vectors_come_back_by_model(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["one", "two", "three"])
    put = store.vectors.put_vectors
    assert await put("m", [(1, vector_of(1)), (3, vector_of(3))]) == [1, 3]
    assert await put("other", [(1, bytes(8))]) == [1]
    assert await put("m", []) == []
    assert await store.vectors.get("m", [3, 2, 1, 99]) == {1: vector_of(1), 3: vector_of(3)}
    assert await store.vectors.get("other", [1]) == {1: bytes(8)}
    assert await store.vectors.get("nobody", [1]) == {}
    assert await store.vectors.state("m") == (4, 2, 3)
    assert await store.vectors.state("other") == (2, 1, 1)
    assert await store.vectors.state("nobody") == (0, 0, 0)
    assert await store.vectors.models() == ["m", "other"]
    await put("m", [(1, vector_of(9))])
    assert await store.vectors.get("m", [1]) == {1: vector_of(9)}
    await sound(store)


async def test_the_vector_of_a_chunk_that_is_gone_is_not_stored(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["one", "two"])
    await indexed(store, source, "/papers/b", ["three"])
    await store.documents.delete([row.id])
    assert await store.vectors.put_vectors("m", [(number, vector_of(number)) for number in (1, 2, 3)]) == [3]
    assert await store.vectors.state("m") == (4, 1, 3)
    await sound(store)


@pytest.mark.parametrize("vectors", [[(1, b"")], [(1, b"abc")], [(1, bytes(8)), (2, bytes(12))]])
async def test_what_is_no_vector_is_refused(store: Store, vectors: list[tuple[int, bytes]]) -> None:
    with pytest.raises(SamovarError) as caught:
        await store.vectors.put_vectors("m", vectors)
    assert caught.value.code == FailureCode.BAD_REQUEST


async def test_dimensions_change_only_with_the_model_or_when_none_are_left(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["one", "two"])
    await store.vectors.put_vectors("m", [(1, bytes(16))])
    with pytest.raises(SamovarError, match="4 dimensions here; these have 2") as caught:
        await store.vectors.put_vectors("m", [(2, bytes(8))])
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert await store.vectors.state("m") == (4, 1, 1)
    assert await store.vectors.drop("m") == 1
    await store.vectors.put_vectors("m", [(2, bytes(8))])
    assert await store.vectors.state("m") == (2, 1, 2)


async def test_what_is_left_is_found_in_portions(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    await indexed(store, papers, "/papers/a", ["one word", "two", "three"], title="T", heading="H")
    await indexed(store, letters, "/letters/a", ["four"])
    await store.vectors.put_vectors("m", [(2, vector_of(2))])
    left = await store.vectors.without("m", papers.collection)
    assert left == [Unembedded(1, "T", "H", "one word", 2), Unembedded(3, "T", "H", "three", 1)]
    assert await store.vectors.without("m", papers.collection, limit=1) == left[:1]
    assert await store.vectors.without("m", papers.collection, after=1, limit=1) == left[1:]
    assert await store.vectors.without("m", papers.collection, after=3) == []
    assert [row.chunk for row in await store.vectors.without("other", papers.collection)] == [1, 2, 3]
    assert [row.chunk for row in await store.vectors.without("m", letters.collection)] == [4]


async def test_all_vectors_in_portions(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", [f"text {number}" for number in range(5)])
    await store.vectors.put_vectors("m", [(number, vector_of(number)) for number in (1, 2, 4, 5)])
    await store.vectors.put_vectors("other", [(3, bytes(8))])
    assert [chunk for chunk, _ in await store.vectors.after("m", 0, 3)] == [1, 2, 4]
    assert await store.vectors.after("m", 4, 3) == [(5, vector_of(5))]
    assert await store.vectors.after("m", 5, 3) == []
    assert await store.vectors.ids("m") == [1, 2, 4, 5]
    assert await store.vectors.ids("nobody") == []


async def test_a_model_is_dropped_in_portions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar_agent.store.vectors._DROPPED", 2)
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["one", "two", "three"])
    for model in ("old", "new"):
        await store.vectors.put_vectors(model, [(number, vector_of(number)) for number in (1, 2, 3)])
    assert [await store.vectors.drop("old") for _ in range(3)] == [2, 1, 0]
    assert await store.vectors.models() == ["new"]
    assert await store.vectors.state("new") == (4, 3, 3)
