"""Documents: queued, read, stored whole, shared, moved, removed."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from samovar_agent.store.documents import DocumentRow, NewDocument, Stored
from samovar_agent.store.filters import DocumentFilter
from samovar_agent.store.store import Store
from tests.samovar_agent.store.documents_made import chunks_of, digest_of, folder, indexed, queued, sound, vector_of


def read(document: DocumentRow, texts: list[str], title: str = "") -> DocumentRow:
    return msgspec.structs.replace(document, sha256=digest_of(texts), title=title)


async def texts_of(store: Store, document: DocumentRow | int) -> list[str]:
    [row] = await store.documents.get([document if isinstance(document, int) else document.id])
    return [chunk.text for chunk in await store.chunks.of_content(row.content)] if row.content else []


async def test_a_document_from_found_to_ready(store: Store) -> None:
    source = await folder(store)
    path = os.fsdecode(b"/papers/line\nbreak \xff.txt")
    new = NewDocument(
        collection=source.collection, source=source.id, path=path, name="line\nbreak \udcff.txt", size=7, mtime=1.25
    )
    [id_] = await store.documents.add([new])
    [waiting] = await store.documents.ls()
    assert (waiting.id, waiting.path, waiting.name, waiting.size, waiting.mtime) == (
        id_,
        path,
        "line\nbreak ?.txt",
        7,
        1.25,
    )
    assert (waiting.state, waiting.sha256, waiting.content, waiting.indexed_at) == ("queued", None, None, None)
    assert await store.documents.find(source.id, path) == waiting
    assert await store.documents.find(source.id, "/papers/other") is None

    [taken] = await store.documents.take(5)
    assert taken == msgspec.structs.replace(waiting, state="indexing")
    assert await store.documents.take(5) == []
    done = msgspec.structs.replace(
        taken, sha256="ab" * 32, title="A title", media_type="text/plain", pages=3, problem='{"reason":"damaged"}'
    )
    assert await store.documents.put_document(done, chunks_of(["one", "two"], "Top > Sub")) == Stored([1, 2], [])
    [ready] = await store.documents.get([id_])
    assert ready.indexed_at is not None
    assert ready == msgspec.structs.replace(done, state="ready", content=1, indexed_at=ready.indexed_at)
    first, second = await store.chunks.of_content(1)
    assert (first.text, first.heading, first.title, first.ordinal, first.start, first.end, first.tokens) == (
        "one",
        "Top > Sub",
        "A title",
        0,
        0,
        3,
        1,
    )
    assert (second.id, second.ordinal, second.start, second.end, second.page) == (2, 1, 4, 7, None)
    await sound(store)


async def test_new_text_replaces_the_old_in_one_step(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["kept words", "old words", "more old words"])
    await store.documents.queue(row.id, size=2, mtime=2.5)
    assert await texts_of(store, row) == ["kept words", "old words", "more old words"], "served until the new is there"
    [taken] = await store.documents.take(1)
    assert (taken.size, taken.mtime, taken.sha256, taken.revision) == (2, 2.5, None, 2)
    stored = await store.documents.put_document(read(taken, ["new"]), chunks_of(["kept words", "new words"]))
    assert stored == Stored(added=[4, 5], gone=[1, 2, 3])
    assert await texts_of(store, row) == ["kept words", "new words"]
    assert [id_ for id_, _ in await store.chunks.words("words")] == [4, 5]
    assert await store.chunks.words("old") == []
    await sound(store)


async def test_an_edit_keeps_the_vectors_of_what_stayed(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["kept", "old"])
    await store.vectors.put_vectors("m", [(1, vector_of(1)), (2, vector_of(2))])
    await store.documents.queue(row.id, size=2, mtime=2.5)
    [taken] = await store.documents.take(1)
    stored = await store.documents.put_document(read(taken, ["x"]), chunks_of(["new", "kept"]))
    assert stored == Stored(added=[3, 4], gone=[1, 2], embedded=(4,))
    assert await store.vectors.get("m", [1, 2, 3, 4]) == {4: vector_of(1)}
    assert [left.chunk for left in await store.vectors.without("m", source.collection)] == [3]


async def test_the_same_words_under_another_title_are_embedded_anew(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["words"], title="One")
    await store.vectors.put_vectors("m", [(1, vector_of(1))])
    await queued(store, source, "/papers/b")
    [taken] = await store.documents.take(1)
    await store.documents.put_document(read(taken, ["b"], "Two"), chunks_of(["words"]))
    assert list(await store.vectors.get("m", [1, 2])) == [1]


async def test_duplicates_are_stored_once(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    first = await indexed(store, papers, "/papers/a", ["same"], title="Title", media_type="text/csv")
    await store.vectors.put_vectors("m", [(1, vector_of(1))])
    second = await indexed(store, papers, "/papers/b", ["same"])

    await queued(store, letters, "/letters/c")
    [taken] = await store.documents.take(1)
    assert await store.documents.share(read(taken, ["another"])) is None
    assert await store.documents.share(read(taken, ["same"]), recipe="other chunks") is None
    assert await store.documents.share(read(taken, ["same"])) == Stored([], [])
    [third] = await store.documents.get([taken.id])
    assert (third.state, third.title, third.media_type) == ("ready", "Title", "text/csv")

    assert first.content == second.content == third.content
    assert await store.vectors.state("m") == (4, 1, 1)
    assert await store.documents.delete([first.id, second.id]) == []
    assert await texts_of(store, third) == ["same"]
    assert await store.documents.delete([third.id]) == [1]
    assert await store.vectors.state("m") == (4, 0, 0)
    await sound(store)


async def test_ids_of_chunks_are_never_used_twice(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["one", "two"])
    assert await store.documents.delete([row.id]) == [1, 2]
    row = await indexed(store, source, "/papers/a", ["three"])
    assert [chunk.id for chunk in await store.chunks.of_content(row.content or 0)] == [3]


async def test_who_read_an_old_version_stores_nothing(store: Store) -> None:
    source = await folder(store)
    changed, removed = await queued(store, source, "/papers/a"), await queued(store, source, "/papers/b")
    first, second = await store.documents.take(2)
    await store.documents.queue(changed, size=2, mtime=2)
    await store.documents.delete([removed])
    for document in (first, second):
        assert await store.documents.put_document(read(document, ["x"]), chunks_of(["stale"])) is None
        assert await store.documents.share(read(document, ["x"])) is None
        await store.documents.fail(document, '{"reason": "empty"}')
    [row] = await store.documents.ls()
    assert (row.id, row.state, row.problem, row.revision) == (changed, "queued", None, 2)
    assert await store.chunks.words("stale") == []
    assert await store.documents.sweep() == []


async def test_a_failure_has_its_reason_and_keeps_the_old_text(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["sound"])
    await store.documents.queue(row.id, size=0, mtime=2)
    [taken] = await store.documents.take(1)
    await store.documents.fail(taken, '{"reason":"empty"}')
    [failed] = await store.documents.ls(state="failed")
    assert failed.problem == '{"reason":"empty"}'
    assert await texts_of(store, failed) == ["sound"]

    await store.documents.queue(row.id, size=1, mtime=3)
    [taken] = await store.documents.take(1)
    await store.documents.put_document(msgspec.structs.replace(read(taken, ["y"]), problem=None), chunks_of(["y"]))
    [ready] = await store.documents.ls(state="ready")
    assert ready.problem is None


async def test_a_batch_is_stored_or_not_as_a_whole(store: Store) -> None:
    source = await folder(store)
    for name in "abc":
        await queued(store, source, f"/papers/{name}")
    rows = await store.documents.take(3)
    pairs = [(read(row, [row.name]), chunks_of([f"text {row.name}"])) for row in rows]
    await store.documents.delete([rows[1].id])
    assert await store.documents.put_documents(pairs) == [Stored([1], []), None, Stored([2], [])]

    await queued(store, source, "/papers/d")
    await queued(store, source, "/papers/e")
    first, second = await store.documents.take(2)
    broken = [*chunks_of(["fine"]), msgspec.structs.replace(chunks_of(["x"])[0], start=None)]
    with pytest.raises(Exception, match="NOT NULL"):
        await store.documents.put_documents([(read(first, ["d"]), chunks_of(["d"])), (read(second, ["e"]), broken)])
    assert [row.state for row in await store.documents.get([first.id, second.id])] == ["indexing", "indexing"]
    await sound(store)


async def test_a_move_touches_no_text(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["words"])
    other = await indexed(store, source, "/papers/taken", ["other"])
    await store.documents.move(row.id, "/papers/new", "new")
    [moved, _] = await store.documents.ls()
    assert moved == msgspec.structs.replace(row, path="/papers/new", name="new")
    await store.documents.move(row.id, "/papers/taken", "taken")
    assert [document.id for document in await store.documents.ls()] == [row.id]
    assert await store.documents.sweep() == [2], other.name


async def test_a_path_that_is_added_again_is_queued_anew(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["words"])
    assert await queued(store, source, "/papers/a", mtime=9) == row.id
    [again] = await store.documents.ls()
    assert (again.state, again.mtime, again.revision, again.content) == ("queued", 9, 2, row.content)


async def test_pasted_texts_have_no_path_and_any_number(store: Store) -> None:
    collection = await store.collections.create("notes")
    source = await store.sources.add(collection.id, "text")
    new = NewDocument(collection=collection.id, source=source.id, name="pasted", size=1, mtime=1)
    assert await store.documents.add([new, new]) == [1, 2]
    assert [row.path for row in await store.documents.ls()] == [None, None]


async def test_lists_and_counts(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    for source in (papers, letters):
        for name in "ab":
            await indexed(store, source, f"{source.path}/{name}", [f"{source.path} {name}"])
    await queued(store, letters, "/letters/c")
    ls = store.documents.ls
    assert [row.id for row in await ls()] == [1, 2, 3, 4, 5]
    assert [row.id for row in await ls(limit=2)] == [1, 2]
    assert [row.id for row in await ls(after=2, limit=2)] == [3, 4]
    assert [row.id for row in await ls(collection=letters.collection, state="ready")] == [3, 4]
    assert [row.id for row in await ls(source=letters.id, after=3)] == [4, 5]
    assert await store.documents.counts() == {"ready": 4, "queued": 1}
    assert await store.documents.counts(papers.collection) == {"ready": 2}
    assert [row.id for row in await store.documents.get([5, 1, 99, 1])] == [1, 5]


async def test_the_document_of_a_chunk_is_one_that_fits(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    first = await indexed(store, papers, "/papers/a", ["same"], mtime=1)
    second = await indexed(store, letters, "/letters/a", ["same"], mtime=5)
    await indexed(store, letters, "/letters/b", ["other"])
    of_chunks = store.documents.of_chunks
    assert (await of_chunks([1, 2, 99])).keys() == {1, 2}
    assert await of_chunks([1]) == {1: first}
    assert await of_chunks([1], [letters.collection]) == {1: second}
    assert await of_chunks([1], None, DocumentFilter(since=2)) == {1: second}
    assert await of_chunks([1], [papers.collection], DocumentFilter(since=2)) == {}
    assert await of_chunks([1], []) == {}


async def test_what_a_dead_agent_was_reading_is_queued_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    source = await folder(store)
    row = await indexed(store, source, "/papers/ready", ["x"])
    await queued(store, source, "/papers/a")
    [taken] = await store.documents.take(1)
    await store.close()

    store = await Store.open(tmp_path / "samovar.db")
    assert [document.state for document in await store.documents.get([row.id, taken.id])] == ["ready", "queued"]
    assert [document.id for document in await store.documents.take(5)] == [taken.id]
    await store.close()


async def test_a_sweep_goes_on_until_all_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar_agent.store.documents._SWEPT_CHUNKS", 2)
    source = await folder(store)
    for number in range(250):
        await indexed(store, source, f"/papers/{number}", [f"text {number}"] if number % 2 else [])
    await store.collections.delete(source.collection)
    gone: list[int] = []
    while some := await store.documents.sweep():
        gone += some
    assert sorted(gone) == list(range(1, 126))
    assert await store.run(lambda db: db.execute("SELECT count(*) FROM contents").fetchone()[0]) == 0
    await sound(store)
