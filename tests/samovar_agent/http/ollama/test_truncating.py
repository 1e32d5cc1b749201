from collections.abc import Sequence

import pytest

from samovar_agent.http.ollama.truncating import shortened


class Words:
    """Counts words, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        self.asked += 1
        return [len(text.split()) for text in texts]


@pytest.mark.parametrize("limit", [3, 10, 102, 1000])
@pytest.mark.parametrize("text", ["word " * 5000, "a " * 2000 + "longer " * 2000, "longest " * 50 + "a " * 4000])
async def test_as_much_as_fits(text: str, limit: int) -> None:
    words = Words()
    short = await shortened(words, "m", text, limit)
    assert text.startswith(short) and len(short.split()) == limit - 2
    assert words.asked < 25


async def test_what_fits_stays_and_nothing_is_never_left() -> None:
    words = Words()
    assert await shortened(words, "m", "all of it", 5) == "all of it"
    assert await shortened(words, "m", "all of it", 1) == "all"
    assert len(await shortened(words, "m", "x y", 0)) >= 1
