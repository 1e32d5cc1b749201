from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.chunking import CONTEXT_CHARACTERS, Chunk, chunks, in_context
from samovar_agent.documents.extracted import Extracted, Heading, Page

SENTENCES = [
    "The samovar boils water for tea.",
    "Its name says that it boils by itself!",
    "Was it made in Tula?",
    "Some were silver; most were brass, and a few of them were copper with a nickel coat.",
]
PROSE = "\n\n".join(" ".join(SENTENCES[(n + k) % 4] for k in range(n % 5 + 2)) for n in range(60))


def count(texts: list[str]) -> list[int]:
    """About what tokenizers do: four letters a token, marks alone, two tokens around each text."""
    return [2 + sum((len(word) + 3) // 4 for word in re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def extracted(
    text: str,
    media_type: str = "text/plain",
    headings: list[Heading] | None = None,
    pages: list[Page] | None = None,
) -> Extracted:
    return Extracted(title="A file", media_type=media_type, text=text, headings=headings or [], pages=pages or [])


def markdown(text: str) -> Extracted:
    headings = [
        Heading(level=len(found[1]), text=found[2], start=found.start())
        for found in re.finditer(r"^(#+) (.*)$", text, re.MULTILINE)
    ]
    return extracted(text, "text/markdown", headings)


def check(document: Extracted, found: list[Chunk], target: int) -> None:
    """What holds for every document."""
    covered = 0
    for chunk in found:
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip() and chunk.text == chunk.text.rstrip()
        assert chunk.tokens == count([chunk.text])[0]
        assert chunk.tokens <= target or len(chunk.text) == 1
        assert not document.text[covered : chunk.start].strip(), "nothing is left out"
        covered = max(covered, chunk.end)
    assert not document.text[covered:].strip()
    assert [chunk.start for chunk in found] == sorted({chunk.start for chunk in found})


@pytest.mark.parametrize(("target", "overlap"), [(256, 32), (64, 0), (64, 16), (16, 4)])
def test_prose_is_cut_after_sentences_into_chunks_of_like_size(target: int, overlap: int) -> None:
    document = extracted(PROSE)
    found = chunks(document, count, target=target, overlap=overlap)
    check(document, found, target)
    whole = [chunk for chunk in found if chunk.text[-1] in ".!?"]
    if target > 16:
        assert len(whole) >= 0.95 * len(found)
        assert min(chunk.tokens for chunk in found) > target * 0.2
        assert sum(chunk.tokens for chunk in found) / len(found) > target * 0.5


def test_what_fits_is_one_chunk() -> None:
    document = extracted("  \n\n  One line.\n\nAnother.  \n")
    assert chunks(document, count, target=16, overlap=0) == [
        Chunk(
            text="  One line.\n\nAnother.",
            page=None,
            headings=(),
            start=4,
            end=25,
            tokens=count(["One line. Another."])[0],
        )
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n", "\x0c"])
def test_nothing_to_read_gives_no_chunk(text: str) -> None:
    assert chunks(extracted(text), count) == []


def test_a_chunk_ends_with_its_section() -> None:
    body = " ".join(SENTENCES * 3)
    document = markdown(f"# Handbook\n\n## Care\n\n{body}\n\n### Cleaning\n\n{body}\n\n## Repair\n\n{body}\n")
    found = chunks(document, count, target=200, overlap=20)
    check(document, found, 200)
    assert [chunk.headings for chunk in found] == [
        ("Handbook", "Care"),
        ("Handbook", "Care", "Cleaning"),
        ("Handbook", "Repair"),
    ]
    assert found[0].text.startswith("# Handbook\n\n## Care"), "headings stay with what they are the headings of"


def test_a_long_section_repeats_its_last_words_and_not_those_of_the_section_before() -> None:
    body = " ".join(SENTENCES * 10)
    document = markdown(f"# One\n\n{body}\n\n# Two\n\n{body}\n")
    found = chunks(document, count, target=128, overlap=30)
    check(document, found, 128)
    for before, after in itertools.pairwise(found):
        if before.headings == after.headings:
            assert after.start < before.end
            assert count([document.text[after.start : before.end]])[0] <= 40
            assert any(after.text.startswith(sentence) for sentence in SENTENCES)
        else:
            assert after.start >= before.end
            assert after.text.startswith("# Two")


def test_small_sections_go_together_below_what_they_share() -> None:
    document = markdown("# Questions\n\n" + "".join(f"## Number {n}\n\nYes.\n\n" for n in range(11)))
    found = chunks(document, count, target=100, overlap=0)
    check(document, found, 100)
    assert 1 < len(found) < 8
    assert {chunk.headings for chunk in found} == {("Questions",)}


def test_pages_are_told_and_not_mixed() -> None:
    pages = [" ".join(SENTENCES * 2), "Page two. " + " ".join(SENTENCES * 2), "A last page."]
    text = "\n\n".join(pages)
    starts = [0, len(pages[0]) + 2, len(pages[0]) + len(pages[1]) + 4]
    document = extracted(
        text,
        "application/pdf",
        pages=[Page(number=n + 1, start=start, end=start + len(pages[n])) for n, start in enumerate(starts)],
    )
    found = chunks(document, count, target=128, overlap=16)
    check(document, found, 128)
    assert [(chunk.page, chunk.text) for chunk in found] == list(enumerate(pages, 1))


def test_a_sentence_that_runs_over_a_page_stays_whole() -> None:
    first, second = "It boils water by means of a pipe that is", "filled with burning pine cones. That is all."
    text = f"{first}\n\n{second}"
    pages = [Page(number=1, start=0, end=len(first)), Page(number=2, start=len(first) + 2, end=len(text))]
    document = extracted(text, "application/pdf", pages=pages)
    assert [(chunk.page, chunk.text) for chunk in chunks(document, count, target=64, overlap=0)] == [(2, text)]


def test_rows_and_lines_of_code_stay_whole() -> None:
    rows = [f"{n};Tula;{n * 37 % 1000};a kettle, made. In brass" for n in range(300)]
    document = extracted("\n".join(rows), "text/csv")
    found = chunks(document, count, target=128, overlap=20)
    check(document, found, 128)
    assert all(line in rows for chunk in found for line in chunk.text.split("\n"))

    code = "\n\n".join(f"def function_{n}(value):\n    first = value + {n}\n\n    return first\n" for n in range(40))
    document = extracted(code, "text/x-python")
    found = chunks(document, count, target=100, overlap=0)
    check(document, found, 100)
    assert all(chunk.text.startswith("def ") for chunk in found)


def test_fenced_code_and_tables_in_prose_are_cut_at_lines() -> None:
    code = "\n\n".join(f"value_{n} = {n}. And more" for n in range(60))
    table = "\n".join(f"| {n} | a cell. With text | {n * n} |" for n in range(60))
    document = markdown(f"{' '.join(SENTENCES)}\n\n```python\n{code}\n```\n\n{' '.join(SENTENCES)}\n\n{table}\n")
    found = chunks(document, count, target=100, overlap=0)
    check(document, found, 100)
    for chunk in found:
        assert chunk.start == 0 or document.text[chunk.start - 1] == "\n" or chunk.text.startswith(tuple(SENTENCES))
        assert chunk.text.endswith(("And more", "|", "```", ".", "!", "?"))


def test_a_text_without_any_place_to_cut_is_cut_all_the_same() -> None:
    document = extracted("é" * 10_000)
    found = chunks(document, lambda texts: [len(text) for text in texts], target=64, overlap=8)
    assert "".join(chunk.text for chunk in found) == document.text
    assert max(chunk.tokens for chunk in found) <= 64


def test_accents_stay_with_their_letters() -> None:
    document = extracted("e\u0301" * 500)
    found = chunks(document, lambda texts: [len(text) for text in texts], target=64, overlap=0)
    assert all(chunk.text[0] == "e" for chunk in found)


def test_a_run_of_spaces_that_counts_as_nothing_makes_no_huge_chunk() -> None:
    document = extracted("word " + " " * 200_000 + "word " * 50)
    found = chunks(document, count, target=64, overlap=0)
    check(document, found, 64)
    assert max(len(chunk.text) for chunk in found) <= 64 * 20


def test_dense_text_among_prose_is_never_above_the_target() -> None:
    numbers = " ".join(f"{n}.{n}-{n}/{n}" for n in range(400))
    document = extracted(f"{PROSE}\n\n{numbers}\n\n{PROSE}")
    check(document, chunks(document, count, target=96, overlap=12), 96)


def test_counting_is_asked_for_a_few_times_only() -> None:
    calls: list[int] = []

    def counted(texts: list[str]) -> list[int]:
        calls.append(len(texts))
        return count(texts)

    chunks(extracted(PROSE * 5), counted, target=64, overlap=8)
    assert len(calls) <= 4


@pytest.mark.parametrize(("target", "overlap"), [(15, 0), (64, 17), (64, -1)])
def test_sizes_that_make_no_sense_are_refused(target: int, overlap: int) -> None:
    with pytest.raises(ValueError):
        chunks(extracted("text"), count, target=target, overlap=overlap)


def test_a_chunk_is_embedded_below_the_names_of_where_it_stands() -> None:
    assert in_context("Handbook", ("Care", "Cleaning"), "Use vinegar.") == "Handbook › Care › Cleaning\nUse vinegar."
    assert in_context("Handbook", ("Handbook", "Care"), "Use vinegar.") == "Handbook › Care\nUse vinegar."
    assert in_context("", (), "Use vinegar.") == "Use vinegar."
    assert len(in_context("x" * 10_000, (), "")) == CONTEXT_CHARACTERS + 1


PIECES = st.sampled_from(
    [
        "word",
        "Word. ",
        "\n",
        "\n\n",
        "   ",
        "| a | b |\n",
        "```\n",
        "# Head\n",
        "- item\n",
        "\x0c",
        "é",
        "e\u0301",
        "。",
        "x" * 90,
    ]
)


@given(
    pieces=st.lists(PIECES, max_size=120),
    media_type=st.sampled_from(["text/markdown", "text/plain", "text/x-python", "unknown"]),
    places=st.lists(st.integers(0, 600), max_size=6),
    target=st.integers(16, 90),
    data=st.data(),
)
def test_any_text_is_covered_exactly(
    pieces: list[str], media_type: str, places: list[int], target: int, data: st.DataObject
) -> None:
    text = "".join(pieces)
    bounds = [0, *sorted(place for place in places if place < len(text)), len(text)]
    document = extracted(
        text,
        media_type,
        markdown(text).headings,
        [Page(number=n, start=a, end=b) for n, (a, b) in enumerate(itertools.pairwise(bounds), 1)],
    )
    overlap = data.draw(st.integers(0, target // 4))
    check(document, chunks(document, count, target=target, overlap=overlap), target)
