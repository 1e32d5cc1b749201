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
# A full stop after a single letter is an initial or "e.g."; one before a small letter ends no sentence either. Each
# mark has a pattern of its own: those that begin with a known character are found many times as fast.
_SENTENCE_END = r"(?<=[^\W_]{2}.|.[)\]%\"'”’»].)[.!?…]*[\"'”’»)\]]*\s+(?=[^\sa-z])"
_SENTENCES = (
    *(re.compile(re.escape(mark) + _SENTENCE_END) for mark in ".!?…"),
    *(re.compile(mark + r"[\"”’」』）]*\s*") for mark in "。！？｡"),
)
_WORD = re.compile(r"\s+")
_WORD_REACH = 64
"""So near to the ideal place there nearly always is a space; only where there is none, all of them are looked at."""
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n`]*\n.*?(?:^ {0,3}\1[`~]*[^\S\n]*$|\Z)", re.MULTILINE | re.DOTALL)


class _Rule(NamedTuple):
    """- patterns: where one ends, a chunk may begin. - fenced: only in fenced code, or only outside; None both."""

    patterns: tuple[re.Pattern[str], ...]
    fenced: bool | None = None


_SENTENCE_RULE = _Rule(_SENTENCES)
_LINE_RULE = _Rule((_LINE,))
_PROSE_RULES = (_Rule((_BLANK,)), _Rule((_ITEM,)), _SENTENCE_RULE)
_ROW_RULES = (_Rule((_BLANK_BEFORE_OUTER,)), _Rule((_BLANK,)), _LINE_RULE)
_FENCED_RULES = (
    *(_Rule(rule.patterns, fenced=False) for rule in _PROSE_RULES),
    *(_Rule(rule.patterns, fenced=True) for rule in _ROW_RULES),
)
"""Best first; words, of which there are too many to know them all, come after these."""


class Breaks:
    """The places of one text. - media_type: says what its lines mean."""

    def __init__(self, text: str, media_type: str) -> None:
        self._text = text
        self._prose = media_type in _PROSE
        self._fences: list[tuple[int, int]] = []
        # A single character is found many times as fast as three.
        if self._prose and (("`" in text and "```" in text) or ("~" in text and "~~~" in text)):
            self._fences = [fence.span() for fence in _FENCE.finditer(text)]
        self._fence_starts = [start for start, _ in self._fences]
        self._rules = _FENCED_RULES if self._fences else _PROSE_RULES if self._prose else _ROW_RULES
        self._known: list[list[int] | None] = [None] * len(self._rules)
        self._again: list[int] | None = None

    def best(self, low: int, ideal: int, high: int) -> int:
        """The best place from `low` to `high` (which lies inside of the text), of equally good ones next to `ideal`."""
        for number, places in enumerate(self._known):
            if places is None:
                places = self._known[number] = self._places(self._rules[number])
            first = bisect_left(places, low)
            if first < len(places) and places[first] <= high:
                return _nearest(places, ideal, first, bisect_right(places, high, first))
        for begin, end in ((max(low, ideal - _WORD_REACH), min(high, ideal + _WORD_REACH)), (low, high)):
            if found := [match.end() for match in _WORD.finditer(self._text, begin, end)]:
                return _nearest(found, ideal, 0, len(found))
        place = min(max(low, ideal), high)
        while place > low and unicodedata.combining(self._text[place]):
            place -= 1  # an accent stays with its letter
        return place

    def resume(self, low: int, cut: int) -> int:
        """Where to begin again after a cut, to repeat what was before it from `low` on; `cut` where nothing can be."""
        if self._again is None:
            rule = _SENTENCE_RULE if self._prose else _LINE_RULE
            known = self._known[self._rules.index(rule)] if rule in self._rules else None
            self._again = self._places(rule) if known is None else known
        first = bisect_right(self._again, low)
        if first < len(self._again) and self._again[first] < cut:
            return self._again[first]
        if self._prose:
            match = _WORD.search(self._text, low, cut)
            if match is not None and match.end() < cut:
                return match.end()
        return cut

    def _places(self, rule: _Rule) -> list[int]:
        """Where it ends in all of the text, rising."""
        places = [match.end() for pattern in rule.patterns for match in pattern.finditer(self._text)]
        if len(rule.patterns) > 1:
            places = sorted(set(places))
        if rule.fenced is not None:
            places = [place for place in places if self._in_fence(place) is rule.fenced]
        return places

    def _in_fence(self, place: int) -> bool:
        index = bisect_right(self._fence_starts, place) - 1
        return index >= 0 and self._fences[index][0] < place < self._fences[index][1]


def _nearest(places: list[int], ideal: int, first: int, last: int) -> int:
    """Of rising places from `first` up to `last`; the first of two that are as near."""
    index = bisect_left(places, ideal, first, last)
    if index == last or (index > first and ideal - places[index - 1] <= places[index] - ideal):
        return places[index - 1]
    return places[index]
