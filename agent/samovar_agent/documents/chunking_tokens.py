"""Where in a text how many tokens have gone by.

    curve = TokenCurve.measure(text, count_tokens)
    curve.position(curve.at(start) + 256)      # about 256 tokens after `start`

A tokenizer answers for whole texts only, and asking it for each possible place to cut would take longer than to embed
the text. So short stretches are counted, all at once, and what lies within a stretch is estimated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

_STRETCH = 500
"""Characters. Tables and prose differ by a factor of three in tokens, and may follow each other within a page."""
_CHARACTERS_A_TOKEN = 4.0
"""Fewer than prose has, so that chunks that were cut by this estimate fit a model that comes later."""
_MOST_CHARACTERS = 20
"""That count as one token: some tokenizers make one of a long run of spaces, and a chunk must not have megabytes."""


class TokenCurve:
    """Tokens up to each character, rising all the way.

    - places: characters, rising. - tokens: up to each of these places, rising.
    """

    def __init__(self, places: list[int], tokens: list[float]) -> None:
        self._places, self._tokens = places, tokens

    @classmethod
    def measure(cls, text: str, count_tokens: Callable[[list[str]], list[int]]) -> TokenCurve:
        """Of a whole text. - count_tokens: asked once."""
        if not text:
            return cls([0], [0.0])
        places = [*range(0, len(text), _STRETCH), len(text)]
        counts = count_tokens([text[start : start + _STRETCH] for start in places[:-1]])
        tokens = [0.0]
        for index, count in enumerate(counts):
            tokens.append(tokens[-1] + max(count, (places[index + 1] - places[index]) / _MOST_CHARACTERS))
        return cls(places, tokens)

    @classmethod
    def even(cls, start: int, end: int, tokens: int) -> TokenCurve:
        """Of a part whose tokens were counted, as if they were spread evenly."""
        return cls([start, end], [0.0, float(tokens)])

    def at(self, place: int) -> float:
        """Tokens up to a character."""
        places, tokens = self._places, self._tokens
        right = bisect_right(places, place)
        if right == 0 or right == len(places):
            return tokens[right and -1]
        left = right - 1
        before = tokens[left]
        return before + (place - places[left]) * (tokens[right] - before) / (places[right] - places[left])

    def position(self, tokens: float) -> int:
        """The character up to which there are so many tokens, at the ends of the text where there are not."""
        places, known = self._places, self._tokens
        right = bisect_right(known, tokens)
        if right == 0 or right == len(known):
            return places[right and -1]
        left = right - 1
        before = places[left]
        return int(before + (tokens - known[left]) * (places[right] - before) / (known[right] - known[left]))


def estimated_tokens(texts: Sequence[str]) -> list[int]:
    """About as many tokens as each text has, by its characters, where no model is there to count them.

    Bytes of UTF-8 count where letters have several, since those are several tokens too.
    """
    return [
        int(
            (len(text) if text.isascii() else max(len(text), len(text.encode(errors="replace")) * 0.75))
            / _CHARACTERS_A_TOKEN
        )
        + 1
        for text in texts
    ]
