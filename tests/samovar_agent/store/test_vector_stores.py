"""Collections as vector stores."""

from __future__ import annotations

import pytest

from samovar_agent.store.portions import Portion
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError


async def test_a_collection_of_which_nobody_has_said_anything(store: Store) -> None:
    collection = await store.collections.create("notes")
    row = await store.vector_stores.get(collection.id)
    assert (row.name, row.collection, row.description, row.metadata) == ("notes", "notes", None, {})
    assert (row.busy, row.counts, row.size, row.created_at) == (False, {}, 0, collection.created_at)


async def test_the_name_is_the_one_that_was_given_until_the_collection_is_renamed(store: Store) -> None:
    collection = await store.collections.create("notes (2)")
    await store.vector_stores.put(
        collection.id, name="notes", called="notes (2)", description="All", metadata={"a": "ü"}
    )
    row = await store.vector_stores.get(collection.id)
    assert (row.name, row.collection, row.description, row.metadata) == ("notes", "notes (2)", "All", {"a": "ü"})
    await store.collections.rename(collection.id, "renamed")
    assert (await store.vector_stores.get(collection.id)).name == "renamed"
    await store.vector_stores.put(collection.id, name="x", called="renamed", description=None, metadata={})
    row = await store.vector_stores.get(collection.id)
    assert (row.name, row.description, row.metadata) == ("x", None, {})


async def test_portions(store: Store) -> None:
    for number in range(4):
        await store.collections.create(str(number))
    rows, more = await store.vector_stores.ls(Portion(limit=2, after=4))
    assert ([row.id for row in rows], more) == ([3, 2], True)


async def test_unknown_ones(store: Store) -> None:
    with pytest.raises(SamovarError) as error:
        await store.vector_stores.get(7)
    assert error.value.code == FailureCode.NOT_FOUND
