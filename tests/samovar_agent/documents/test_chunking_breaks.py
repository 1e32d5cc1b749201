from __future__ import annotations

import pytest

from samovar_agent.documents.chunking_breaks import Breaks


def cut(text: str, media_type: str = "text/plain", *, low: int = 1) -> tuple[str, str]:
    place = Breaks(text, media_type).best(low, len(text) // 2, len(text) - 1)
    return text[:place], text[place:]


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("A word. Another.\n\nA paragraph. And more.", "A paragraph. And more."),
        ("A word. Another.\r\n \r\nA paragraph. And more.", "A paragraph. And more."),
        ("A line that\nwraps. And here\nit goes on", "And here\nit goes on"),
        ("To be bought today:\n- tea. And sugar\nof some kind", "- tea. And sugar\nof some kind"),
        ("He met J. R. Smith of the U.S. Army there", "of the U.S. Army there"),
        ("He said “it boils.” Then he went away", "Then he went away"),
        ("茶を飲む。水を沸かす人", "水を沸かす人"),
        ("no end in sight here", "sight here"),
        ("| a | b. C |\n| c | d. E |", "| c | d. E |"),
    ],
)
def test_prose_is_cut_at_what_ends_there(text: str, second: str) -> None:
    assert cut(text)[1] == second


def test_code_is_cut_at_its_outer_level_before_its_blank_lines() -> None:
    code = "def a():\n    x = 1\n\n    return x\n\ndef b():\n    y = 1\n\n    return y\n"
    assert cut(code, "text/x-python")[1].startswith("def b")
    assert cut("a = 1\nb = 2. And c\nd = 3", "text/x-python")[1].startswith("b = 2. And c")


def test_a_blank_line_in_fenced_code_does_not_end_it() -> None:
    text = "Before it.\n\n```\nfirst\n\nsecond\n\nthird\n```\n"
    assert cut(text)[1].startswith("```\nfirst")
    assert cut(text, low=16)[1] == "second\n\nthird\n```\n", "unless there is no other place"


def test_the_nearest_of_equally_good_places_is_taken() -> None:
    text = "One is. Two is. Three is. Four is."
    assert [Breaks(text, "text/plain").best(1, ideal, 30) for ideal in (1, 17, 24, 30)] == [8, 16, 26, 26]


def test_a_repetition_begins_with_a_sentence_or_row() -> None:
    text = "One is here. Two is here. Three is here. "
    assert Breaks(text, "text/plain").resume(5, 41) == 13
    assert Breaks(text, "text/plain").resume(14, 20) == 17
    assert Breaks(text, "text/plain").resume(38, 41) == 41
    assert Breaks("a b\nc d\ne f\n", "text/csv").resume(1, 12) == 4
