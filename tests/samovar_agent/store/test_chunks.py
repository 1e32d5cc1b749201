"""Chunks, and finding them by their words."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar_agent.store import fitting, word_search
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.filters import DocumentFilter
from samovar_agent.store.store import Store
from samovar_protocol import SamovarError
from tests.samovar_agent.store.documents_made import folder, indexed, queued, sound


async def found(store: Store, query: str, *args: object, **named: object) -> list[int]:
    return [id_ for id_, _ in await store.chunks.words(query, *args, **named)]  # type: ignore[arg-type]


async def test_words_are_found_in_all_their_forms(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["The library catalogues books.", "Über die Größe", "re\u0301sume\u0301"])
    assert await found(store, "LIBRARIES") == [1]
    assert await found(store, "catalogue of a book") == [1]
    assert await found(store, "uber") == [2]
    assert await found(store, "größe") == [2]
    for spelling in ("résumé", "re\u0301sume\u0301", "resume"):
        assert await found(store, spelling) == [3]
    assert await found(store, "nowhere") == []


async def test_the_best_come_first_and_no_more_than_asked_for(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea", "coffee", "tea coffee", "water"])
    ranked = await store.chunks.words("tea coffee")
    assert [id_ for id_, _ in ranked] == [3, 1, 2]
    assert ranked[0][1] > ranked[1][1] == ranked[2][1] > 0
    assert await found(store, "tea coffee", limit=1) == [3]
    assert await found(store, "tea coffee", limit=0) == []


async def test_titles_and_headings_are_searched_and_weigh_more(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["Of samovars and of water"], title="Other")
    await indexed(store, source, "/papers/b", ["Of other things and of water"], title="Samovars")
    await indexed(store, source, "/papers/c", ["Of more things and of water"], title="Other", heading="Samovars")
    assert await found(store, "samovar") == [2, 3, 1]


@pytest.mark.parametrize(
    "query",
    [
        '"', '""', "tea AND", "NOT tea", "NEAR(tea coffee, 2)", "tea*", "^tea", "title: tea", "-tea", "(tea",
        "tea' OR 1=1 --",
        "{title text}: tea", "tea + coffee", "a\0tea", "tea\udcff", "😀 tea", "_tea_", "tea " * 5000,
        "x" * 100_000 + " tea",
    ],
)  # fmt: skip
async def test_nothing_that_is_typed_is_syntax(store: Store, query: str) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea"])
    assert await found(store, query) == ([1] if "tea" in query else [])


@pytest.mark.parametrize("query", ["", "  ", "?!", "_", "\0", "'", "(", "…", "\ud800"])
async def test_a_query_without_words_finds_nothing(store: Store, query: str) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea"])
    assert await store.chunks.words(query) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(max_size=60))
async def test_any_text_is_a_query(store: Store, query: str) -> None:
    await store.chunks.words(query)


async def test_filters(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    odd = os.fsdecode(b"/papers/odd\xff")
    await indexed(store, papers, "/papers/a/1", ["tea one"], media_type="text/plain", mtime=1)
    await indexed(store, papers, "/papers/ab", ["tea two"], media_type="text/csv", mtime=2)
    await indexed(store, papers, f"{odd}/3", ["tea three"], media_type="application/pdf", mtime=3)
    await indexed(store, letters, "/letters/a", ["tea four"], media_type="text/plain", mtime=4)
    cases: list[tuple[list[int] | None, DocumentFilter, list[int]]] = [
        (None, DocumentFilter(), [1, 2, 3, 4]),
        ([], DocumentFilter(), []),
        ([papers.collection], DocumentFilter(), [1, 2, 3]),
        ([papers.collection, letters.collection], DocumentFilter(), [1, 2, 3, 4]),
        ([letters.collection, 99], DocumentFilter(), [4]),
        (None, DocumentFilter(path_prefix="/papers/a"), [1]),
        (None, DocumentFilter(path_prefix="/papers/"), [1, 2, 3]),
        (None, DocumentFilter(path_prefix="/papers/ab"), [2]),
        (None, DocumentFilter(path_prefix=odd), [3]),
        (None, DocumentFilter(path_prefix="/"), [1, 2, 3, 4]),
        (None, DocumentFilter(media_types=("text/csv", "application/pdf")), [2, 3]),
        (None, DocumentFilter(since=2), [2, 3, 4]),
        (None, DocumentFilter(until=2), [1, 2]),
        (None, DocumentFilter(since=2, until=3), [2, 3]),
        ([letters.collection], DocumentFilter(since=2, media_types=("text/plain",), path_prefix="/letters"), [4]),
    ]
    for collections, filters, expected in cases:
        assert sorted(await found(store, "tea", collections, filters)) == expected, (collections, filters)
        assert await store.chunks.ids(collections, filters) == expected, (collections, filters)


async def test_what_fits_is_found_behind_any_number_that_does_not(store: Store) -> None:
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    await indexed(store, papers, "/papers/a", ["tea tea tea"] * 100)
    await indexed(store, letters, "/letters/a", ["tea and very much else that is long", "nothing"])
    assert await found(store, "tea", [letters.collection], limit=2) == [101]
    assert await found(store, "tea", [letters.collection, papers.collection], limit=2) == [1, 2]


async def test_common_words_are_left_out_where_rarer_ones_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("_SMALL", 0), ("_SCORED", 20), ("_LOOKED_AT", 20)):
        monkeypatch.setattr(word_search, limit, value)
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    await indexed(store, papers, "/papers/a", [*(f"water tea number{n}" for n in range(40)), "water: rare one"])
    await indexed(store, letters, "/letters/a", ["water other"])
    assert await found(store, "water rare tea") == [41]
    assert len(await found(store, "water")) == 42, "the only word there is"
    assert len(await found(store, "water tea")) >= 40
    assert await found(store, "water rare tea", [letters.collection]) == [42], "all that this collection has of it"
    assert await found(store, "nowhere") == []
    assert await found(store, "nowhere rare") == [41]


async def test_stop_words_count_only_where_there_are_no_others(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["To be or not to be", "What is there to drink? Tea", "Und nun Wasser"])
    assert await found(store, "what is a tea of the mountains") == [2]
    assert await found(store, "To be, or not to be?") == [1, 2]
    assert await found(store, "Wasser und Salz") == [3]


async def test_a_word_that_is_said_again_weighs_more(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea", "milk", "bread"])
    assert await found(store, "tea milk milk") == [2, 1]
    assert await found(store, "tea milk tea") == [1, 2]


async def test_common_words_decide_which_of_the_rare_ones_chunks_are_best(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in (("_SMALL", 0), ("_SCORED", 20), ("_LOOKED_AT", 200)):
        monkeypatch.setattr(word_search, limit, value)
    source = await folder(store)
    texts = ["rare one", "rare tea", *(f"tea {number}" for number in range(40)), "other"]
    await indexed(store, source, "/papers/a", texts)
    assert await found(store, "tea rare") == [2, 1]
    together = dict(await store.chunks.words("tea rare"))
    rare, tea = dict(await store.chunks.words("rare")), dict(await store.chunks.words("tea"))
    assert together[2] == pytest.approx(rare[2] + tea[2])


async def test_where_all_words_are_common_those_come_first_that_have_two(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in (("_SMALL", 0), ("_SCORED", 5), ("_LOOKED_AT", 200)):
        monkeypatch.setattr(word_search, limit, value)
    source = await folder(store)
    texts = [*["tea"] * 20, *["milk"] * 20, *["tea and milk", "bread"] * 10]
    await indexed(store, source, "/papers/a", texts)
    both = list(range(41, 61, 2))
    assert await found(store, "tea milk", limit=3) == both[:3]
    assert (await found(store, "tea milk", limit=30))[:10] == both
    assert (await found(store, "tea milk", limit=100))[:10] == both


async def test_of_a_word_that_is_everywhere_not_every_chunk_is_scored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["Of tea and of water."], title="Tea")
    await indexed(store, source, "/papers/b", ["Tea, tea and tea."], title="Other")
    await indexed(store, source, "/papers/c", ["Tea and water."] * 60, title="More")
    assert await found(store, "tea", limit=2) == [2, 1]
    for name, most in (("_SMALL", 1), ("_SCORED", 1), ("_MOST_SCORED", 10)):
        monkeypatch.setattr(word_search, name, most)
    # What has it in its title, and what came last; not what lies between them.
    assert await found(store, "tea", limit=1) == [1]
    assert await found(store, "tea", limit=2) == [1, 53]
    assert await found(store, "tea water", limit=2) == [53, 54]
    assert len(await found(store, "tea", limit=60)) == 60


async def test_what_fits_is_remembered_until_something_changes_that(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_FEW_DOCUMENTS", 2)
    papers, letters = await folder(store), await folder(store, "letters", "/letters")
    for collections in ([papers.collection], [letters.collection]):
        assert await found(store, "tea", collections) == []
    rows = [await indexed(store, papers, f"/papers/{number}", [f"tea {number}"]) for number in range(4)]
    for expected in ([1, 2, 3, 4], [1, 2, 3, 4]):  # found out, and remembered
        assert await found(store, "tea", [papers.collection]) == expected
        assert await found(store, "tea", None, DocumentFilter(until=2)) == expected
    rows += [await indexed(store, papers, f"/papers/{number}", [f"tea {number}"]) for number in range(4, 6)]
    assert await found(store, "tea", [papers.collection]) == [1, 2, 3, 4, 5, 6]
    assert await found(store, "tea", [letters.collection]) == []
    copy = await indexed(store, letters, "/letters/copy", ["tea 3"])
    assert copy.content == rows[3].content
    assert await found(store, "tea", [letters.collection]) == [4]
    await store.documents.delete([rows[0].id])
    await store.documents.move(rows[1].id, "/papers/far/away", "away")
    await store.documents.queue(rows[2].id, size=1, mtime=9.0)
    assert await found(store, "tea", [papers.collection]) == [2, 3, 4, 5, 6]
    assert await found(store, "tea", None, DocumentFilter(path_prefix="/papers/far")) == [2]
    assert await found(store, "tea", None, DocumentFilter(until=2)) == [2, 4, 5, 6]
    await store.collections.delete(papers.collection)
    assert await found(store, "tea", [papers.collection]) == []
    assert await found(store, "tea", [letters.collection]) == [4]


async def test_a_filter_of_many_documents_looks_at_what_was_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_FEW_DOCUMENTS", 2)
    source = await folder(store)
    for number in range(40):
        media_type = "text/csv" if number % 2 else "text/plain"
        await indexed(store, source, f"/papers/{number}", [f"tea {'and much else ' * number}"], media_type=media_type)
    expected = list(range(2, 41, 2))
    assert await found(store, "tea", None, DocumentFilter(media_types=("text/csv",)), limit=40) == expected
    assert await found(store, "tea", None, DocumentFilter(media_types=("text/csv",)), limit=2) == expected[:2]
    assert await found(store, "tea", [source.collection], DocumentFilter(media_types=("text/csv",)), limit=1) == [2]
    assert await found(store, "tea", None, DocumentFilter(path_prefix="/papers/39"), limit=1) == [40], (
        "the worst of all"
    )


async def test_what_was_common_may_become_rare_among_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("_SMALL", 0), ("_SCORED", 20), ("_LOOKED_AT", 20)):
        monkeypatch.setattr(word_search, limit, value)
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["tea"] * 30)
    assert len(await found(store, "tea milk")) == 30
    await store.documents.delete([row.id])
    await indexed(store, source, "/papers/b", ["milk"] * 40 + ["tea"])
    assert await found(store, "tea milk") == [71]


async def test_chunks_come_in_the_order_asked_for(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", [f"text {number}" for number in range(2000)])
    ids = [1500, 3, 99999, 7, 3]
    assert [chunk.id for chunk in await store.chunks.get(ids)] == [1500, 3, 7, 3]
    assert len(await store.chunks.get(range(1, 2001))) == 2000
    content = row.content or 0
    assert [chunk.ordinal for chunk in await store.chunks.of_content(content, 3, 5)] == [3, 4, 5]
    assert [chunk.ordinal for chunk in await store.chunks.of_content(content, 1998)] == [1998, 1999]
    assert await store.chunks.of_content(99) == []


async def test_the_whole_text_with_every_character_in_its_place(store: Store) -> None:
    source = await folder(store)
    text = "  First words,\n\nsecond \ud800 words\0, third words.\t"
    spans = [(2, 14), (9, 24), (25, 32), (33, 45)]
    await queued(store, source, "/papers/a")
    [taken] = await store.documents.take(1)
    chunks = [NewChunk(text=text[start:end], start=start, end=end, tokens=1) for start, end in spans]
    await store.documents.put_document(msgspec.structs.replace(taken, sha256="ab"), chunks)
    expected = "\n\n" + text[2:45].replace("\ud800", "?")
    assert await store.chunks.text(1) == expected
    assert await store.chunks.text(99) == ""
    await sound(store)


async def test_texts_and_titles_never_change_or_the_index_of_words_would_lie(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea"], title="Tea")
    for change in ("UPDATE chunk_texts SET text = 'x'", "UPDATE contents SET title = 'x'"):
        with pytest.raises(Exception, match="never change"):
            await store.run(lambda db, change=change: db.execute(change))  # type: ignore[misc]
    await sound(store)


async def test_a_damaged_index_of_words_is_noticed_and_made_anew(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["tea"])
    await store.run(lambda db: db.execute("INSERT INTO chunk_words (chunk_words) VALUES ('delete-all')"))
    with pytest.raises(SamovarError):
        await store.chunks.check_words()
    await store.chunks.rebuild_words()
    await sound(store)
    assert await found(store, "tea") == [1]
