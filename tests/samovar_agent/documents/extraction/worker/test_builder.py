"""Offsets are exact, whatever the blocks hold."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.extraction.worker.builder import TextBuilder

_TEXT = st.text(alphabet=" \n\r\0ab|ä", max_size=8)


def test_blocks_become_text() -> None:
    builder = TextBuilder()
    builder.turn(1)
    builder.heading(1, "Tea\nand more")
    builder.item("one")
    builder.item("two")
    builder.turn(3)
    builder.code("    indented\n")
    builder.table([["a", "b\nc"], ["", ""], ["d", "e"]])
    text = builder.text()
    assert text == "Tea and more\n\n- one\n- two\n\n```\n    indented\n```\n\n| a | b c |\n| d | e |"
    assert [(page.number, text[page.start : page.end]) for page in builder.pages()] == [
        (1, "Tea and more\n\n- one\n- two"),
        (3, "```\n    indented\n```\n\n| a | b c |\n| d | e |"),
    ]


@given(st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "item", "code", "turn"]), _TEXT), max_size=12))
def test_places_are_exact(blocks: list[tuple[str, str]]) -> None:
    builder = TextBuilder()
    number = 0
    for kind, text in blocks:
        match kind:
            case "turn":
                number += 1
                builder.turn(number)
            case "heading":
                builder.heading(2, text)
            case _:
                getattr(builder, kind)(text)
    text = builder.text()
    assert "\0" not in text
    for heading in builder.headings:
        assert text[heading.start :].split("\n")[0] == heading.text
    pages = builder.pages()
    for page, following in itertools.pairwise(pages):
        assert page.start < page.end <= following.start
    assert all(text[page.start : page.end].strip() == text[page.start : page.end] for page in pages)
