"""A collection that comes in portions."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar_agent.store.contents import Content
from samovar_agent.store.imports import Imported, ImportedChunks, ImportedDocument, ImportedSource
from samovar_agent.store.store import Store
from samovar_protocol import SamovarError
from tests.samovar_agent.store.documents_made import chunks_of, sound, vector_of

SOURCE = ImportedSource(kind="folder", path="/papers", excludes=["*.tmp"], state="paused")


def document(path: str, *, content: Content | None = None, same: bool = False) -> ImportedDocument:
    return ImportedDocument(
        source=0,
        path=path,
        name="tea",
        size=1,
        mtime=1.5,
        sha256="ab" * 32,
        media_type="text/plain",
        title="Tea",
        pages=None,
        state="ready",
        problem=None,
        indexed_at=2.5,
        content=content,
        same=same,
    )


def portions(texts: list[str]) -> list[list[Imported]]:
    chunks = chunks_of(texts)
    vectors = [vector_of(number) if number else None for number, _ in enumerate(chunks)]
    content = Content("ab" * 32, "recipe", "Tea", "text/plain", None)
    return [
        [SOURCE, document("/papers/a", content=content), ImportedChunks(chunks=chunks[:2], vectors=vectors[:2])],
        [ImportedChunks(chunks=chunks[2:], vectors=vectors[2:]), document("/papers/b", same=True)],
    ]


async def test_portions_become_one_collection(store: Store) -> None:
    importing = await store.imports.begin("papers", exact=True, model="m", settings={"a": 1})
    for portion in portions(["green tea", "black tea", "white tea"]):
        await importing.add(portion)
    collection = await importing.finish()

    assert collection.created_at > 0
    assert [(row.kind, row.watch, row.state) for row in await store.sources.ls()] == [("folder", False, "paused")]
    first, second = await store.documents.ls()
    assert (first.path, second.path) == ("/papers/a", "/papers/b")
    assert first.content == second.content
    chunks = await store.chunks.of_content(first.content or 0)
    assert [(chunk.ordinal, chunk.text) for chunk in chunks] == [(0, "green tea"), (1, "black tea"), (2, "white tea")]
    assert list(await store.vectors.get("m", [chunk.id for chunk in chunks])) == [chunk.id for chunk in chunks[1:]]
    assert len(await store.chunks.words("tea")) == 3
    await sound(store)


async def test_what_is_discarded_is_gone_with_its_name(store: Store) -> None:
    importing = await store.imports.begin("papers", exact=True, model="m", settings={})
    [first, _] = portions(["green tea", "black tea", "white tea"])
    await importing.add(first)
    assert len(await importing.discard()) == 2
    await store.collections.create("papers")
    assert await store.documents.ls() == []
    await sound(store)


async def test_a_failed_portion_is_as_if_it_never_came(store: Store) -> None:
    importing = await store.imports.begin("papers", exact=True, model="m", settings={})
    with pytest.raises(SamovarError, match="same path"):
        await importing.add([SOURCE, document("/papers/a"), document("/papers/a")])
    assert await importing.discard() == []
    await sound(store)


async def test_the_next_start_removes_what_is_unfinished(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    await store.collections.create("mine")
    importing = await store.imports.begin("papers", exact=True, model="m", settings={})
    [first, _] = portions(["green tea", "black tea", "white tea"])
    await importing.add(first)
    await store.close()

    store = await Store.open(tmp_path / "samovar.db")
    assert await store.run(lambda db: [row[0] for row in db.execute("SELECT name FROM collections")]) == ["mine"]
    assert len(await store.documents.sweep()) == 2
    await sound(store)
    await store.close()


async def test_names_get_numbers(store: Store) -> None:
    for expected in ("papers", "papers 2", "papers 3"):
        importing = await store.imports.begin("papers", exact=False, model=None, settings={})
        assert importing.collection.name == expected
    with pytest.raises(SamovarError, match="already"):
        await store.imports.begin("papers 2", exact=True, model=None, settings={})
