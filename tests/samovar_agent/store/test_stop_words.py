"""Words that are not looked for."""

from __future__ import annotations

import pytest

from samovar_agent.store.stop_words import STOP_WORDS


@pytest.mark.parametrize("word", ["the", "und", "für", "est", "está", "perché", "não", "het"])
def test_every_language_has_some(word: str) -> None:
    assert word in STOP_WORDS


@pytest.mark.parametrize("word", ["war", "die", "son", "un", "us", "ai", "os", "sea", "come", "dove", "mit", "door"])
def test_what_means_something_in_another_language_is_looked_for(word: str) -> None:
    assert word not in STOP_WORDS


def test_they_are_as_queries_are_compared() -> None:
    assert all(word == word.lower() and word.isalpha() for word in STOP_WORDS)
