"""Texts of scripts without spaces are found by what stands in the middle of them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from samovar_agent.store.ngrams import is_concerned, pieces
from samovar_agent.store.store import Store
from tests.samovar_agent.store.documents_made import folder, indexed, sound

if TYPE_CHECKING:
    from sqlite_utils import Database

TEXTS = {
    "japanese": "東京都庁は新宿区にある。お茶を飲む人はサモワールが好きです。",
    "chinese": "北京大学图书馆每天早上八点开放，学生可以借书。",
    "korean": "서울에서 부산까지 기차로 세 시간이 걸립니다.",
    "thai": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "khmer": "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា",
    "hindi": "दिल्ली भारत की राजधानी है",
    "mixed": "Python3で東京Towerの高さ333mを計算する😀茶",
    "wide": "ＡＢＣ商事のﾊﾟｿｺﾝ",
    "rare": "𠮷野家の牛丼",
    "latin": "The “Straße” in Köln – naïve café, 😀.",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("東京", {"japanese", "mixed"}),
        ("東京都庁", {"japanese", "mixed"}),
        ("都庁", {"japanese"}),
        ("茶", {"japanese", "mixed"}),
        ("ます", set()),
        ("サモワール", {"japanese"}),
        ("图书馆", {"chinese"}),
        ("图书馆几点开放?", {"chinese"}),
        ("北京大学", {"chinese"}),
        ("서울", {"korean"}),
        ("기차", {"korean"}),
        ("เมืองหลวง", {"thai"}),
        ("ไทย", {"thai"}),
        ("រាជធានី", {"khmer"}),
        ("राजधानी", {"hindi"}),
        ("दिल्ली", {"hindi"}),
        ("tower", {"mixed"}),
        ("python3", {"mixed"}),
        ("333m", {"mixed"}),
        ("abc", {"wide"}),
        ("パソコン", {"wide"}),
        ("ＡＢＣ", {"wide"}),
        ("𠮷野家", {"rare"}),
        ("strasse", set()),
        ("straße", {"latin"}),
        ("cafe", {"latin"}),
        ("caf*", set()),  # nobody's own * is one
        ('東京"*', {"japanese", "mixed"}),
    ],
)
async def test_what_is_found(store: Store, query: str, expected: set[str]) -> None:
    source = await folder(store)
    names: dict[int, str] = {}
    for name, text in TEXTS.items():
        row = await indexed(store, source, f"/papers/{name}", [text])
        [chunk] = await store.chunks.of_content(row.content or 0)
        assert chunk.text == text
        names[chunk.id] = name
    for form in ("NFC", "NFD"):
        found = await store.chunks.words(unicodedata.normalize(form, query))
        assert {names[chunk] for chunk, _ in found} == expected
    await sound(store)


async def test_all_of_a_word_is_better_than_some_of_it(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["京都と東京のあいだ"])
    whole = await indexed(store, source, "/papers/b", ["東京都庁のとなり"])
    [chunk] = await store.chunks.of_content(whole.content or 0)
    found = await store.chunks.words("東京都庁")
    assert [found[0][0], len(found)] == [chunk.id, 2]


async def test_titles_and_headings(store: Store) -> None:
    source = await folder(store)
    await indexed(store, source, "/papers/a", ["Plain words."], title="東京の話", heading="銀座 › 料理")
    assert [len(await store.chunks.words(query)) for query in ("東京", "料理", "plain", "大阪")] == [1, 1, 1, 0]
    await sound(store)


async def test_what_is_edited_and_deleted_leaves_nothing(store: Store) -> None:
    source = await folder(store)
    row = await indexed(store, source, "/papers/a", ["東京都庁", "plain words"])
    await indexed(store, source, "/papers/a", ["大阪城"])
    assert [len(await store.chunks.words(query)) for query in ("東京", "plain", "大阪")] == [0, 0, 1]
    await sound(store)
    await store.chunks.rebuild_words()
    assert len(await store.chunks.words("大阪")) == 1
    await sound(store)
    await store.documents.delete([row.id])
    for table in ("chunk_ngrams", "chunk_words_docsize", "chunks"):
        count = await store.run(lambda db, table=table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[misc]
        assert count == 0, table
    await sound(store)


async def test_latin_text_is_stored_once(store: Store) -> None:
    await indexed(store, await folder(store), "/papers/a", [TEXTS["latin"]], title="Köln", heading="“Tea” — naïve")
    assert await store.run(lambda db: db.execute("SELECT count(*) FROM chunk_ngrams").fetchone()[0]) == 0


async def test_what_an_older_program_stored_is_put_there_anew(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    source = await folder(store)
    new = [await indexed(store, source, f"/papers/{number}", [f"東京{number} ok"]) for number in range(4)]
    await indexed(store, source, "/papers/latin", ["Tea only"])

    def as_before(db: Database) -> None:  # as the version before would have left it
        db.execute("DELETE FROM chunk_ngrams")
        db.execute("INSERT INTO chunk_words (chunk_words) VALUES ('rebuild')")
        db.execute("INSERT INTO chunk_ngrams_due (after, last) SELECT 0, max(id) FROM chunks")

    await store.run(as_before)
    assert await store.chunks.words("京1") == []
    await indexed(store, source, "/papers/later", ["東京9 ok"])
    await store.documents.delete([new[3].id])
    assert await store.chunks.renew_words()
    await store.close()

    store = await Store.open(tmp_path / "samovar.db")  # goes on where it was
    while await store.chunks.renew_words():
        pass
    assert len(await store.chunks.words("東京")) == 4
    assert [len(await store.chunks.words(query)) for query in ("tea", "ok")] == [1, 4]
    assert not await store.chunks.renew_words()
    await sound(store)
    await store.close()


@pytest.mark.parametrize("text", ["", "plain", "Köln “é” – ’ € ₂", "русский ελληνικά עברית العربية", "😀🇩🇪", "a\udc80"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert not is_concerned(text)


def test_every_letter_begins_a_piece() -> None:
    assert pieces("a東京都b").split() == ["a", "東京", "京都", "都", "b"]
    assert pieces("ไทย").split() == ["ไทย", "ทย", "ย"]


async def test_halves_of_letters_do_no_harm(store: Store) -> None:
    id_source = await folder(store)
    await indexed(store, id_source, "/papers/a", ["東京\ud800都庁"])
    assert len(await store.chunks.words("東京\udc00")) == 1
    await sound(store)


async def test_many_documents_at_once(store: Store) -> None:
    source = await folder(store)
    texts = [[f"第{number}章 東京", f"chapter {number}"] for number in range(30)]
    rows = [await indexed(store, source, f"/papers/{number}", some) for number, some in enumerate(texts)]
    assert len(await store.chunks.words("東京", limit=100)) == 30
    await store.documents.delete([row.id for row in rows[::2]])
    assert len(await store.chunks.words("東京", limit=100)) == 15
    await sound(store)
