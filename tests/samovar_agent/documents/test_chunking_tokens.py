from __future__ import annotations

import pytest

from samovar_agent.documents.chunking_tokens import TokenCurve


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_places_and_tokens_lead_to_each_other() -> None:
    text = "ab " * 2_000 + "abcdefghi " * 600
    curve = TokenCurve.measure(text, words)
    assert curve.at(0) == 0
    assert curve.at(len(text)) == pytest.approx(2_600, rel=0.02)
    assert curve.at(6_000) == pytest.approx(2_000, rel=0.02)
    for place in range(0, len(text), 333):
        assert curve.position(curve.at(place)) == pytest.approx(place, abs=1)


def test_beyond_the_ends_are_the_ends() -> None:
    curve = TokenCurve.even(100, 200, 50)
    assert (curve.at(0), curve.at(150), curve.at(300)) == (0, 25, 50)
    assert (curve.position(-1), curve.position(25), curve.position(60)) == (100, 150, 200)


def test_an_empty_text_has_no_tokens() -> None:
    curve = TokenCurve.measure("", words)
    assert (curve.at(0), curve.at(5), curve.position(3)) == (0, 0, 0)


def test_what_counts_as_nothing_still_takes_room() -> None:
    curve = TokenCurve.measure(" " * 10_000, words)
    assert curve.at(10_000) == 500
