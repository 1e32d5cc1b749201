from __future__ import annotations

from collections.abc import Sequence

from samovar_agent.documents.chunking_outline import Outline
from samovar_agent.documents.chunking_tokens import TokenCurve
from samovar_agent.documents.extracted import Extracted, Heading, Page


def outline(text: str, headings: Sequence[tuple[int, str]] = (), pages: Sequence[tuple[int, int]] = ()) -> Outline:
    return Outline(
        Extracted(
            title="",
            media_type="text/plain",
            text=text,
            headings=[Heading(level=level, text=name, start=text.index(name)) for level, name in headings],
            pages=[Page(number=n, start=start, end=end) for n, (start, end) in enumerate(pages, 1)],
        )
    )


def groups(text: str, headings: list[tuple[int, str]], target: int) -> list[str]:
    curve = TokenCurve.even(0, len(text), len(text))
    return [text[start:end] for start, end in outline(text, headings).groups(curve, target)]


def test_a_heading_stays_with_what_follows_however_long() -> None:
    assert groups("AA\nBB\n" + "b" * 200, [(1, "AA"), (2, "BB")], 50) == ["AA\nBB\n" + "b" * 200]


def test_a_small_section_goes_with_the_next_unless_that_leaves_its_chapter() -> None:
    text = "AA\na\nBB\nb\nCC\nc\n"
    assert groups(text, [(1, "AA"), (2, "BB"), (2, "CC")], 100) == [text]
    assert groups(text, [(1, "AA"), (2, "BB"), (1, "CC")], 100) == [text]
    assert groups("BB\nb\nCC\nc\n", [(2, "BB"), (1, "CC")], 100) == ["BB\nb\n", "CC\nc\n"]


def test_headings_are_of_the_section_that_holds_most() -> None:
    text = "AA\n" + "a" * 20 + "\nBB\n" + "b" * 80 + "\nCC\n" + "c" * 80
    found = outline(text, [(1, "AA"), (2, "BB"), (2, "CC")])
    assert found.headings(0, 100) == ("AA", "BB")
    assert found.headings(70, len(text)) == ("AA", "CC")
    assert found.headings(0, 10) == ("AA",)


def test_several_sections_alike_are_below_what_they_share() -> None:
    text = "AA\nBB\nbbbb\nCC\ncccc\nDD\ndddd\n"
    assert outline(text, [(1, "AA"), (2, "BB"), (2, "CC"), (2, "DD")]).headings(0, len(text)) == ("AA",)
    assert outline(text, [(1, "BB"), (1, "CC"), (1, "DD")]).headings(0, len(text)) == ()


def test_the_page_is_the_one_that_holds_most() -> None:
    found = outline("a" * 300, pages=[(0, 100), (100, 200), (200, 300)])
    assert [found.page(0, 100), found.page(90, 180), found.page(50, 150), found.page(250, 260)] == [1, 2, 1, 3]
    assert outline("a" * 300).page(0, 10) is None


def test_headings_that_lie_outside_of_the_text_are_no_headings() -> None:
    document = Extracted(
        title="", media_type="text/plain", text="text", headings=[Heading(level=1, text="x", start=99)]
    )
    assert Outline(document).headings(0, 4) == ()
