"""The automaton of a regular expression and Python's own engine agree, found by chance and by hand."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.engine.worker.grammar.automaton import Automaton, Length, matches
from samovar_agent.engine.worker.grammar.limits import Steps
from samovar_agent.engine.worker.grammar.pattern import Pattern
from samovar_protocol import SamovarError

PARTS = [*"aab1|*?.^$", "(a", "(?:b", ")", ")", "+?", "[ab]", "[^a]", "{1,2}", "{2,}", r"\d"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.lists(st.text("ab01c", max_size=6), max_size=8))
def test_finds_what_python_finds(pattern: str, texts: list[str]) -> None:
    try:
        expected = re.compile(pattern, re.ASCII)
        automaton = Pattern(pattern, "#", Steps())
    except (re.error, SamovarError):
        return
    for text in texts:
        assert matches([automaton], text) is bool(expected.search(text)), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\x41\u0042\u{43}$", "ABC", True),
        (r"^[\d-]+$", "1-2", True),
        (r"^[\s\S]$", "\n", True),
        (r"^.$", "\n", False),
        (r"^\S$", "\u00a0", False),
        (r"^a\$$", "a$", True),
        (r"^]}$", "]}", True),
        ("", "anything", True),
        ("^$", "", True),
        ("^$", "x", False),
    ],
)
def test_by_hand(pattern: str, text: str, found: bool) -> None:
    assert matches([Pattern(pattern, "#", Steps())], text) is found


def test_two_at_once() -> None:
    automata: list[Automaton] = [Pattern("^[a-z]+$", "#", Steps()), Pattern("x", "#", Steps()), Length(2, 3)]
    assert [text for text in ("x", "ax", "axb", "axbc", "abc", "x1") if matches(automata, text)] == ["ax", "axb"]


def test_nested_repetitions_stay_cheap() -> None:
    steps = Steps()
    automaton = Pattern("^(((a*)*)*)*b$", "#", steps)
    assert not matches([automaton], "a" * 2000)
