from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.chunking import chunks
from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.retrieval import Found, distinct, passages, reranked

TEXT = " ".join(f"Sentence {n} tells of the number {n * n}." for n in range(80))


def found(text: str, *, chunk: int = 1, document: int = 1, ordinal: int = 0, start: int = 0, score: float = 1) -> Found:
    return Found(
        chunk=chunk,
        document=document,
        ordinal=ordinal,
        text=text,
        start=start,
        end=start + len(text),
        score=score,
        page=ordinal + 1,
    )


def of_document(document: int = 1, text: str = TEXT, overlap: int = 12) -> list[Found]:
    extracted = Extracted(title="", media_type="text/plain", text=text)
    cut = chunks(extracted, lambda texts: [len(one.split()) for one in texts], target=48, overlap=overlap)
    return [
        found(one.text, chunk=100 * document + n, document=document, ordinal=n, start=one.start, score=1 / (n + 1))
        for n, one in enumerate(cut)
    ]


def test_neighbours_become_one_text_without_repetition() -> None:
    cut = of_document()
    assert len(cut) > 6
    [passage] = passages(cut[1:4])
    assert passage.text == TEXT[passage.start : passage.end]
    assert passage.chunks == (101, 102, 103)
    assert (passage.score, passage.page) == (cut[1].score, cut[1].page), "those of the best"


def test_chunks_apart_stay_apart_and_the_best_comes_first() -> None:
    cut = of_document()
    other = of_document(2)
    result = passages([cut[4], other[1], cut[0], cut[1]])
    assert [passage.chunks for passage in result] == [(100, 101), (201,), (104,)]


def test_a_passage_has_so_many_chunks_at_most() -> None:
    cut = of_document()
    result = passages(cut, most=3)
    assert max(len(passage.chunks) for passage in result) == 3
    assert sorted(chunk for passage in result for chunk in passage.chunks) == [one.chunk for one in cut]


def test_neighbours_with_much_white_space_between_stay_apart() -> None:
    first, second = found("One."), found("Two.", chunk=2, ordinal=1, start=500)
    assert [passage.text for passage in passages([first, second])] == ["One.", "Two."]
    [joined] = passages([first, found("Two.", chunk=2, ordinal=1, start=6)])
    assert joined.text == "One.\n\nTwo."


@given(st.sets(st.integers(0, 30)), st.integers(1, 5))
def test_characters_of_a_passage_are_those_of_the_document(chosen: set[int], most: int) -> None:
    text = TEXT.replace("7. ", "7.\n\n\n")
    cut = of_document(text=text)
    wanted = [cut[n] for n in chosen if n < len(cut)]
    for passage in passages(wanted, most):
        assert passage.text.split() == text[passage.start : passage.end].split()
        assert len(passage.text) == passage.end - passage.start


def test_copies_are_left_out_and_the_better_one_stays() -> None:
    text = "The samovar boils water for tea, and it does so for hours on end."
    copy = found(text.upper().replace(",", ""), chunk=2, document=2, score=0.9)
    part = found("boils water for tea, and it does so", chunk=3, document=3, score=0.8)
    other = found("The samovar boils water for coffee, which nobody likes to drink.", chunk=4, document=4, score=0.7)
    assert [one.chunk for one in distinct([found(text), copy, part, other], 10)] == [1, 4]


def test_short_texts_are_alike_only_when_they_are_the_same() -> None:
    texts = ["Yes", "yes!", "No", "", "…"]
    chosen = distinct([found(text, chunk=n) for n, text in enumerate(texts)], 10)
    assert [one.chunk for one in chosen] == [0, 2, 3]


def test_only_so_many_are_kept() -> None:
    assert len(distinct(of_document(overlap=0), 3)) == 3


def test_a_reranking_model_decides_the_order() -> None:
    cut = of_document()[:3]
    assert [(one.chunk, one.score) for one in reranked(cut, [0.1, 7.5, -3.0])] == [(101, 7.5), (100, 0.1), (102, -3.0)]
    with pytest.raises(ValueError):
        reranked(cut, [1.0])
