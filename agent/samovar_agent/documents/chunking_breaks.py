"""Where a text may be cut, best first: between paragraphs, rows, sentences, words.

breaks = Breaks(text, "text/markdown")
breaks.best(800, 1000, 1200)      # the best place from 800 to 1,200, near 1,000 where there are several
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from typing import NamedTuple

_PROSE = frozenset(
    {
        "application/epub+zip",
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-outlook",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "message/rfc822",
        "text/html",
        "text/markdown",
        "text/plain",
        "text/rtf",
        "text/x-rst",
    }
)
"""Here a line may end anywhere in a sentence. In tables, data and programs a line is a thing of its own."""

_BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")
_BLANK_BEFORE_OUTER = re.compile(r"\n(?:[^\S\n]*\n)+(?=[^\s)\]}])")  # what begins at the margin begins something new
_ITEM = re.compile(r"\n(?=[^\S\n]*(?:\||```|~~~|[-*+•‣◦–][^\S\n]|\d{1,3}[.)][^\S\n]))")
_LINE = re.compile(r"\n")
# A full stop after a single letter is an initial or "e.g."; one before a small letter ends no sentence either.
_SENTENCE = re.compile(
    r"[.!?…](?<=[^\W_]{2}.|.[)\]%\"'”’»].)[.!?…]*[\"'”’»)\]]*\s+(?=[^\sa-z])|[。！？｡][\"”’」』）]*\s*"
)
_WORD = re.compile(r"\s+")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n`]*\n.*?(?:^ {0,3}\1[`~]*[^\S\n]*$|\Z)", re.MULTILINE | re.DOTALL)


class _Rule(NamedTuple):
    """- pattern: where one ends, a chunk may begin. - fenced: only in fenced code, or only outside; None both."""

    pattern: re.Pattern[str]
    fenced: bool | None = None


_PROSE_RULES = (_Rule(_BLANK), _Rule(_ITEM), _Rule(_SENTENCE), _Rule(_WORD))
_ROW_RULES = (_Rule(_BLANK_BEFORE_OUTER), _Rule(_BLANK), _Rule(_LINE), _Rule(_WORD))
_FENCED_RULES = (
    *(_Rule(rule.pattern, fenced=False) for rule in _PROSE_RULES[:-1]),
    *(_Rule(rule.pattern, fenced=True) for rule in _ROW_RULES[:-1]),
    _Rule(_WORD),
)


class Breaks:
    """The places of one text. - media_type: says what its lines mean."""

    def __init__(self, text: str, media_type: str) -> None:
        self._text = text
        self._prose = media_type in _PROSE
        self._fences: list[tuple[int, int]] = []
        if self._prose and ("```" in text or "~~~" in text):
            self._fences = [fence.span() for fence in _FENCE.finditer(text)]
        self._fence_starts = [start for start, _ in self._fences]
        self._rules = _FENCED_RULES if self._fences else _PROSE_RULES if self._prose else _ROW_RULES

    def best(self, low: int, ideal: int, high: int) -> int:
        """The best place from `low` to `high` (which lies inside of the text), of equally good ones next to `ideal`."""
        for pattern, fenced in self._rules:
            found = [match.end() for match in pattern.finditer(self._text, low, high)]
            if fenced is not None:
                found = [place for place in found if self._in_fence(place) is fenced]
            if found:
                return _nearest(found, ideal)
        place = min(max(low, ideal), high)
        while place > low and unicodedata.combining(self._text[place]):
            place -= 1  # an accent stays with its letter
        return place

    def resume(self, low: int, cut: int) -> int:
        """Where to begin again after a cut, to repeat what was before it from `low` on; `cut` where nothing can be."""
        for pattern in (_SENTENCE, _WORD) if self._prose else (_LINE,):
            match = pattern.search(self._text, low, cut)
            if match is not None and match.end() < cut:
                return match.end()
        return cut

    def _in_fence(self, place: int) -> bool:
        index = bisect_right(self._fence_starts, place) - 1
        return index >= 0 and self._fences[index][0] < place < self._fences[index][1]


def _nearest(places: list[int], ideal: int) -> int:
    """Of rising places; the first of two that are as near."""
    index = bisect_left(places, ideal)
    if index == len(places) or (index and ideal - places[index - 1] <= places[index] - ideal):
        return places[index - 1]
    return places[index]
