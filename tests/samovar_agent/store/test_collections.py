"""Collections and where their documents come from."""

from __future__ import annotations

import os

import pytest

from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.store.documents_made import folder, indexed, sound


async def test_a_collection_comes_back(store: Store) -> None:
    made = await store.collections.create("papers", model="minilm", settings={"chunk_tokens": 256})
    other = await store.collections.create("letters")
    assert await store.collections.get(made.id) == made
    assert await store.collections.find("papers") == made
    assert await store.collections.ls() == [other, made]
    assert (made.model, made.settings) == ("minilm", {"chunk_tokens": 256})
    assert (other.model, other.settings) == (None, {})


async def test_names_are_taken_once(store: Store) -> None:
    papers = await store.collections.create("papers")
    letters = await store.collections.create("letters")
    for attempt in (store.collections.create("papers"), store.collections.rename(letters.id, "papers")):
        with pytest.raises(SamovarError, match="already") as caught:
            await attempt
        assert caught.value.code == FailureCode.BAD_REQUEST
    await store.collections.rename(papers.id, "papers")
    await store.collections.rename(papers.id, "articles")
    await store.collections.rename(letters.id, "papers")
    assert [row.name for row in await store.collections.ls()] == ["articles", "papers"]


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    for attempt in (store.collections.get(7), store.collections.find("papers")):
        with pytest.raises(SamovarError) as caught:
            await attempt
        assert caught.value.code == FailureCode.NOT_FOUND


async def test_model_and_settings_change(store: Store) -> None:
    made = await store.collections.create("papers", model="minilm")
    await store.collections.set_models(made.id, model=None)
    await store.collections.set_settings(made.id, {"watch": True})
    changed = await store.collections.get(made.id)
    assert (changed.model, changed.settings) == (None, {"watch": True})


async def test_a_deleted_collection_is_gone_at_once_and_its_texts_after_the_sweep(store: Store) -> None:
    papers = await folder(store, "papers", "/papers")
    letters = await folder(store, "letters", "/letters")
    await indexed(store, papers, "/papers/a", ["tea in the morning"])
    await indexed(store, papers, "/papers/both", ["tea at noon"])
    kept = await indexed(store, letters, "/letters/both", ["tea at noon"])

    assert await store.collections.delete(papers.collection)
    assert not await store.collections.delete(papers.collection)
    assert await store.sources.ls() == [letters]
    assert await store.documents.ls() == [kept]
    assert [id_ for id_, _ in await store.chunks.words("tea")] == [2]

    assert await store.documents.sweep() == [1]
    assert await store.documents.sweep() == []
    assert [chunk.text for chunk in await store.chunks.get([1, 2])] == ["tea at noon"]
    await sound(store)


async def test_sources_come_back(store: Store) -> None:
    papers = await store.collections.create("papers")
    letters = await store.collections.create("letters")
    path = os.fsdecode(b"/home/me/a\nb\xff")
    made = await store.sources.add(papers.id, "folder", path, excludes=["*.tmp", "build/"], watch=True)
    text = await store.sources.add(papers.id, "text")
    more = await store.sources.add(papers.id, "text")
    other = await store.sources.add(letters.id, "folder", path)
    assert (made.path, made.excludes, made.watch, made.state) == (path, ["*.tmp", "build/"], True, "present")
    assert await store.sources.ls(papers.id) == [made, text, more]
    assert await store.sources.ls() == [made, text, more, other]

    await store.sources.set_state(made.id, "missing")
    assert (await store.sources.ls(papers.id))[0].state == "missing"
    again = await store.sources.add(papers.id, "folder", path)
    assert (again.id, again.excludes, again.watch, again.state) == (made.id, [], False, "present")


async def test_a_deleted_source_takes_its_documents_along(store: Store) -> None:
    source = await folder(store)
    other = await store.sources.add(source.collection, "folder", "/other")
    await indexed(store, source, "/papers/a", ["tea"])
    kept = await indexed(store, other, "/other/a", ["coffee"])
    assert await store.sources.delete(source.id)
    assert not await store.sources.delete(source.id)
    assert await store.documents.ls() == [kept]
    assert await store.documents.sweep() == [1]
    await sound(store)
