"""Texts that are far too long are found out before all of their tokens are made."""

from __future__ import annotations

from samovar_agent.engine.worker.length import PORTION, tokens_if_far_too_many

CONTEXT = 1000


class Tokenizer:
    """A token for so many characters; remembers how many it read."""

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self.read = 0

    def __call__(self, text: str) -> list[int]:
        self.read += len(text)
        return [0] * -(-len(text) // self._characters)


def test_short_texts_cost_nothing() -> None:
    tokenizer = Tokenizer(1)
    assert tokens_if_far_too_many(["a" * 100_000, "b" * 100_000], CONTEXT, tokenizer) is None
    assert tokens_if_far_too_many(["a" * 400_000, "b" * 400_000], 100 * CONTEXT, tokenizer) is None
    assert tokenizer.read == 0


def test_the_end_of_a_long_text_is_never_read() -> None:
    tokenizer = Tokenizer(4)
    found = tokens_if_far_too_many(["a" * 100 * PORTION], CONTEXT, tokenizer)
    assert found is not None
    assert found > CONTEXT
    assert tokenizer.read == PORTION


def test_texts_count_together() -> None:
    found = tokens_if_far_too_many(["a" * 40_000] * 30, CONTEXT, Tokenizer(400))
    assert found is not None
    assert found > CONTEXT
    assert tokens_if_far_too_many(["a" * 40_000] * 15, CONTEXT, Tokenizer(400)) is None


def test_what_may_have_room_is_left_to_be_counted() -> None:
    """Long runs of spaces are few tokens."""
    tokenizer = Tokenizer(512)
    assert tokens_if_far_too_many([" " * 512 * CONTEXT], CONTEXT, tokenizer) is None
    assert tokenizer.read == 512 * CONTEXT
