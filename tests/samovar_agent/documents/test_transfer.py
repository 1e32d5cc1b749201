"""A collection as one file, there and back."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from samovar_agent.documents import transfer_checks as checks
from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.transfer import PARTIAL, export, import_
from samovar_agent.documents.vector_indexes import VectorIndexes
from samovar_agent.documents.vector_search import VectorSearch
from samovar_agent.store.contents import IMPORTED
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.documents.transfer_made import (
    DIMENSIONS,
    MODEL,
    add,
    chunks_of,
    dump,
    nothing_left,
    papers,
    vector_of,
)
from tests.samovar_agent.store.documents_made import sound

Stores = tuple[Store, Store]


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Here and elsewhere."""
    here, there = await Store.open(tmp_path / "here.db"), await Store.open(tmp_path / "there.db")
    yield here, there
    await here.close()
    await there.close()


def quiet(progress: Progress) -> None:
    """Nobody looks."""


async def test_there_and_back_is_the_same(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await papers(here)
    told: list[Progress] = []
    reply = await export(here, collection, tmp_path / "papers.samovar", replace=False, on_progress=told.append)
    file = tmp_path / "papers.samovar"
    assert (reply.path, reply.size_bytes, reply.documents) == (str(file), file.stat().st_size, 6)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (told[-1].stage, told[-1].done, told[-1].total, told[-1].unit) == ("exporting", 6, 6, "documents")

    told.clear()
    came = await import_(there, file, None, on_progress=told.append)
    assert came.name == "papers"
    assert (told[-1].stage, told[-1].done, told[-1].total, told[-1].unit) == ("importing", 6, 6, "documents")
    assert await there.collections.ls() == [came]
    assert await dump(there, came) == await dump(here, collection)
    assert [(row.watch, row.state) for row in await there.sources.ls()] == [
        (False, "paused"),
        (False, "paused"),
        (False, "present"),
    ]
    contents = [row.content for row in await there.documents.ls() if row.name.endswith("tea.md")]
    assert len(contents) == 2
    assert len(set(contents)) == 1, "what two documents say is stored once"
    await sound(there)

    again = await export(there, came, tmp_path / "again.samovar", replace=False, on_progress=quiet)
    back = await import_(here, tmp_path / "again.samovar", "back", on_progress=quiet)
    assert again.documents == 6
    assert await dump(here, back) == await dump(here, collection)


async def test_a_search_finds_the_same(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await papers(here)
    await export(here, collection, tmp_path / "f", replace=False, on_progress=quiet)
    came = await import_(there, tmp_path / "f", None, on_progress=quiet)

    async def found(store: Store, id_: int) -> list[object]:
        words = await store.chunks.words("roasted tea", [id_])
        vectors = VectorSearch(store, VectorIndexes(tmp_path / f"vectors-{id(store)}"))
        near = await vectors.nearest(MODEL, vector_of(3), 20, collections=[id_])
        texts = {row.id: row.text for row in await store.chunks.get([chunk for chunk, _ in [*words, *near]])}
        return [[(texts[chunk], round(score, 5)) for chunk, score in hits] for hits in (words, near)]

    words, near = await found(there, came.id)
    assert words
    assert len(near) == 20  # type: ignore[arg-type]
    assert [words, near] == await found(here, collection.id)


async def test_an_open_index_learns_of_an_import(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    await export(here, await papers(here), tmp_path / "f", replace=False, on_progress=quiet)
    other = await there.collections.create("other", model=MODEL)
    source = await there.sources.add(other.id, "text")
    await add(there, source, None, chunks_of(["one"]))
    search = VectorSearch(there, VectorIndexes(tmp_path / "vectors"))
    assert len(await search.nearest(MODEL, vector_of(3), 50)) == 1
    await import_(there, tmp_path / "f", None, on_progress=quiet)
    await search.catch_up()
    assert len(await search.nearest(MODEL, vector_of(3), 50)) == 50


async def test_names(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    await export(here, await papers(here), tmp_path / "f", replace=False, on_progress=quiet)
    for name in ("papers 2", "papers 3"):
        assert (await import_(here, tmp_path / "f", None, on_progress=quiet)).name == name
    assert (await import_(here, tmp_path / "f", "mine", on_progress=quiet)).name == "mine"
    with pytest.raises(SamovarError) as refused:
        await import_(here, tmp_path / "f", "papers", on_progress=quiet)
    assert refused.value.code == FailureCode.BAD_REQUEST
    assert len(await here.collections.ls()) == 4


async def test_a_collection_that_wants_no_vectors(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await here.collections.create("papers", words_only=True)
    await export(here, collection, tmp_path / "f", replace=False, on_progress=quiet)
    came = await import_(there, tmp_path / "f", None, on_progress=quiet)
    assert (came.model, came.words_only) == (None, True)


async def test_files_of_another_machine_are_not_read_because_somebody_tries_again(
    stores: Stores, tmp_path: Path
) -> None:
    here, there = stores
    collection = await papers(here)
    assert await here.documents.retry(collection.id, []) == 1
    await here.documents.mark_interrupted()
    await export(here, collection, tmp_path / "f", replace=False, on_progress=quiet)
    came = await import_(there, tmp_path / "f", None, on_progress=quiet)
    assert (await there.documents.counts(came.id))["failed"] == 1
    assert await there.documents.retry(None, []) == 0
    assert await there.documents.take(1) == []


async def test_the_vectors_of_what_is_being_imported_are_wanted(stores: Stores) -> None:
    here, _ = stores
    await here.imports.begin("papers", exact=True, model=MODEL, settings={})
    assert await here.collections.ls() == []
    assert await here.collections.models() == {MODEL}


async def test_long_names(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    collection = await here.collections.create("n" * 300)
    file = tmp_path / ("f" * 255)
    await export(here, collection, file, replace=False, on_progress=quiet)
    assert (await import_(here, file, None, on_progress=quiet)).name == "n" * 298 + " 2"


async def test_a_file_that_is_there(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await papers(here)
    file = tmp_path / "f"
    file.write_text("mine")
    with pytest.raises(SamovarError) as refused:
        await export(here, collection, file, replace=False, on_progress=quiet)
    assert refused.value.code == FailureCode.BAD_REQUEST
    assert file.read_text() == "mine"
    await export(here, collection, file, replace=True, on_progress=quiet)
    assert (await import_(there, file, None, on_progress=quiet)).name == "papers"


async def test_places_where_no_file_can_be(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    collection = await here.collections.create("papers")
    for path, code in (
        (tmp_path, FailureCode.BAD_REQUEST),
        (tmp_path / "no" / "f", FailureCode.NOT_FOUND),
        (Path("/proc/samovar"), FailureCode.DISK_FULL),
    ):
        with pytest.raises(SamovarError) as refused:
            await export(here, collection, path, replace=True, on_progress=quiet)
        assert refused.value.code == code
        assert "here.db" not in str(refused.value)


async def test_a_full_disk_is_said_of_the_right_file(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    collection = await papers(here)
    target = tmp_path / "f"
    (tmp_path / f"f{PARTIAL}").symlink_to("/dev/full")  # nor is a link followed that somebody has put there
    await export(here, collection, target, replace=False, on_progress=quiet)
    assert target.is_file()
    if Path("/dev/full").exists():
        with pytest.raises(SamovarError, match="full could not be written") as refused:
            await _export_into(here, Path("/dev/full"))
        assert refused.value.code == FailureCode.DISK_FULL


async def _export_into(store: Store, device: Path) -> None:
    from unittest.mock import patch

    [collection, *_] = await store.collections.ls()
    with (
        patch("samovar_agent.documents.transfer._opened_anew", lambda partial: device.open("wb")),
        patch("samovar_agent.documents.transfer._check_free", lambda path, replace: None),
    ):
        await export(store, collection, device.with_name("full"), replace=True, on_progress=quiet)


async def test_cancelling_an_export_leaves_nothing(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    collection = await papers(here, many=100)
    begun = asyncio.Event()
    folder = tmp_path / "out"
    folder.mkdir()
    running = asyncio.create_task(
        export(here, collection, folder / "f", replace=False, on_progress=lambda progress: begun.set())
    )
    await asyncio.wait_for(begun.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert list(folder.iterdir()) == []
    await export(here, collection, folder / "f", replace=False, on_progress=quiet)


async def test_cancelling_an_import_leaves_nothing(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    await export(here, await papers(here), tmp_path / "f", replace=False, on_progress=quiet)

    def gone(progress: Progress) -> None:
        raise SamovarError(FailureCode.CANCELLED, "gone")

    with pytest.raises(SamovarError, match="gone"):
        await import_(there, tmp_path / "f", None, on_progress=gone)
    await nothing_left(there)

    def cancel(progress: Progress) -> None:
        running.cancel()

    running = asyncio.create_task(import_(there, tmp_path / "f", None, on_progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await running
    await nothing_left(there)
    for turns in range(0, 60, 4):
        running = asyncio.create_task(import_(there, tmp_path / "f", None, on_progress=quiet))
        for _ in range(turns):
            await asyncio.sleep(0)
        assert running.cancel(), "it takes longer than that"
        with pytest.raises(asyncio.CancelledError):
            await running
        await nothing_left(there)
    await sound(there)


async def test_nobody_sees_an_import_before_it_is_whole(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    await export(here, await papers(here), tmp_path / "f", replace=False, on_progress=quiet)
    with (tmp_path / "f").open("rb") as file:
        records = form.records(file)
        head, settings = checks.header(records)
        importing = await there.imports.begin(head.name, exact=True, model=head.model, settings=settings)
        await importing.add(list(checks.items(head, records)))

    assert await there.collections.ls() == []
    assert await there.sources.ls() == []
    assert await there.documents.ls() == []
    assert await there.documents.counts() == {}
    assert await there.chunks.words("tea") == []
    assert await there.chunks.ids() == []
    assert await there.documents.take(10) == []
    with pytest.raises(SamovarError):
        await there.collections.find("papers")
    with pytest.raises(SamovarError, match="already"):
        await there.collections.create("papers")
    assert await there.documents.sweep() == [], "nor is it taken for what nobody needs"

    came = await importing.finish()
    assert await dump(there, came) == await dump(here, await here.collections.find("papers"))
    assert len(await there.chunks.words("tea")) == 2


async def test_what_was_not_read_yet(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await papers(here)
    rows = await here.documents.ls()
    [tea] = [row for row in rows if row.name == "/home/me/papers/tea.md"[-20:]]
    await here.documents.queue(tea.id, size=8, mtime=9.0)
    [failed] = [row for row in rows if row.state == "failed"]
    await here.documents.queue(failed.id, size=8, mtime=9.0)
    await export(here, collection, tmp_path / "f", replace=False, on_progress=quiet)
    came = await import_(there, tmp_path / "f", None, on_progress=quiet)
    states = {row.path: (row.state, row.problem) for row in await there.documents.ls(collection=came.id)}
    assert states[tea.path] == ("ready", None), "its old version is searched"
    assert states[failed.path][0] == "failed"
    assert "had not been read" in (states[failed.path][1] or "")
    assert await there.documents.take(1) == []


async def test_an_import_is_not_believed_about_other_documents(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    forged = await here.collections.create("forged", model=MODEL)
    source = await here.sources.add(forged.id, "text")
    same = chunks_of(["the same words"])
    await add(here, source, None, chunks_of(["forged words"]), content=b"a well-known file")
    await add(here, source, None, same)
    await export(here, forged, tmp_path / "f", replace=False, on_progress=quiet)
    await import_(there, tmp_path / "f", None, on_progress=quiet)

    mine = await there.collections.create("mine", model=MODEL)
    own = await there.sources.add(mine.id, "text")
    row = await add(there, own, None, chunks_of(["true words"]), content=b"a well-known file", embed=False)
    assert [chunk.text for chunk in await there.chunks.of_content(row.content or 0)] == ["true words"]
    await add(there, own, None, same, embed=False)
    waiting = await there.vectors.without(MODEL, mine.id)
    assert [one.text for one in waiting] == ["true words", "the same words"], "nor are its vectors taken for true"
    recipes = await there.run(lambda db: [row[0] for row in db.execute("SELECT recipe FROM contents ORDER BY id")])
    assert [recipe.startswith(IMPORTED) for recipe in recipes] == [True, True, False, False]


async def test_vectors_of_other_dimensions_are_refused_at_once(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    await export(here, await papers(here), tmp_path / "f", replace=False, on_progress=quiet)
    other = await there.collections.create("other")
    row = await add(there, await there.sources.add(other.id, "text"), None, chunks_of(["one"]), embed=False)
    [chunk] = await there.chunks.of_content(row.content or 0)
    await there.vectors.put_vectors(MODEL, [(chunk.id, bytes(4 * DIMENSIONS + 4))])
    with pytest.raises(SamovarError, match="9"):
        await import_(there, tmp_path / "f", None, on_progress=quiet)
    assert await there.collections.ls() == [other]


async def test_a_vector_that_is_none_is_left_out(stores: Stores, tmp_path: Path) -> None:
    here, there = stores
    collection = await here.collections.create("papers", model=MODEL)
    source = await here.sources.add(collection.id, "text")
    row = await add(here, source, None, chunks_of(["one", "two"]))
    first, second = await here.chunks.of_content(row.content or 0)
    await here.vectors.put_vectors(MODEL, [(first.id, bytes(4 * DIMENSIONS))])
    await export(here, collection, tmp_path / "f", replace=False, on_progress=quiet)
    came = await import_(there, tmp_path / "f", None, on_progress=quiet)
    assert [one.text for one in await there.vectors.without(MODEL, came.id)] == ["one"]
    assert list((await there.vectors.get(MODEL, [1, 2])).values()) == [vector_of(second.id)]


async def test_others_write_meanwhile(stores: Stores, tmp_path: Path) -> None:
    here, _ = stores
    collection = await papers(here, many=200)
    before = await dump(here, collection)
    begun = asyncio.Event()
    running = asyncio.create_task(
        export(here, collection, tmp_path / "f", replace=False, on_progress=lambda progress: begun.set())
    )
    await asyncio.wait_for(begun.wait(), 60)
    await here.collections.delete(collection.id)
    while await here.documents.sweep():
        pass
    await running
    came = await import_(here, tmp_path / "f", None, on_progress=quiet)
    assert await dump(here, came) == before, "it is as it was when the export began"


async def test_what_cannot_be_opened(stores: Stores, tmp_path: Path) -> None:
    _, there = stores
    os.mkfifo(tmp_path / "pipe")
    for name, code in (
        ("gone", FailureCode.NOT_FOUND),
        ("", FailureCode.BAD_REQUEST),
        ("pipe", FailureCode.BAD_REQUEST),
    ):
        with pytest.raises(SamovarError) as refused:
            await import_(there, tmp_path / name, None, on_progress=quiet)
        assert refused.value.code == code
    (tmp_path / "newer").write_bytes(form.PREFIX + b"2\n")
    with pytest.raises(SamovarError, match="newer Samovar") as refused:
        await import_(there, tmp_path / "newer", None, on_progress=quiet)
    assert refused.value.failure.hint == "Update Samovar."
