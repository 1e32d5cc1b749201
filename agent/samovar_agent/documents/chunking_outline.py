"""A document's sections and pages, and which of them belong into one chunk.

outline = Outline(extracted)
for start, end in outline.groups(curve, 256): ...     # what is cut further where it is too long
outline.headings(start, end)                          # ("Handbook", "Care", "Cleaning")
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from samovar_agent.documents.chunking_tokens import TokenCurve
from samovar_agent.documents.extracted import Extracted, Page

_SMALL = 0.25
"""A section of less than this part of a chunk means little alone, and goes together with what follows."""
_ENDS = frozenset(".!?…:;。！？\"'”’»)]}")
_LOOK = 80
"""Characters before and after the end of a page, to see whether a sentence runs on."""
_INK = re.compile(r"\S")

Path = tuple[str, ...]


class _Section(NamedTuple):
    """- level: of its heading, 0 before the first one. - bare: has a heading and nothing else."""

    start: int
    end: int
    level: int
    path: Path
    bare: bool


class Outline:
    """What a document is made of. Headings and pages need not be complete, nor even there."""

    def __init__(self, extracted: Extracted) -> None:
        self._sections = _sections(extracted)
        self._starts = [section.start for section in self._sections]
        self._pages = sorted(extracted.pages, key=lambda page: page.start)
        self._page_starts = [page.start for page in self._pages]

    def groups(self, curve: TokenCurve, target: int) -> list[tuple[int, int]]:
        """Sections, small ones together with the next ones of the same or a deeper level, as places in the text."""
        groups: list[list[_Section]] = []
        size = 0.0
        for section in self._sections:
            tokens = curve.at(section.end) - curve.at(section.start)
            if groups and _belong(groups[-1], size, section, tokens, target):
                groups[-1].append(section)
                size += tokens
            else:
                groups.append([section])
                size = tokens
        return [(group[0].start, group[-1].end) for group in groups]

    def headings(self, start: int, end: int) -> Path:
        """Of the section that holds half of this or more; where none does, what all of them are below."""
        if len(self._sections) == 1:
            return self._sections[0].path
        first = max(0, bisect_right(self._starts, start) - 1)
        inside = self._sections[first : bisect_right(self._starts, end - 1)]
        if not inside:
            return ()
        shares: dict[Path, int] = {}
        for section in inside:
            held = min(end, section.end) - max(start, section.start)
            shares[section.path] = shares.get(section.path, 0) + held
        largest = max(shares, key=shares.__getitem__)
        if 2 * shares[largest] >= end - start:
            return largest
        return _common([section.path for section in inside if not section.bare] or list(shares))

    def page(self, start: int, end: int) -> int | None:
        """The number of the page that holds most of this, the first of several that hold as much."""
        if not self._pages:
            return None
        first = max(0, bisect_right(self._page_starts, start) - 1)
        inside = self._pages[first : bisect_right(self._page_starts, end - 1)]
        if not inside:
            return None
        return max(inside, key=lambda page: min(end, page.end) - max(start, page.start)).number


def _belong(group: Sequence[_Section], size: float, section: _Section, tokens: float, target: int) -> bool:
    if all(before.bare for before in group):
        return True  # a heading is never left without what it is the heading of
    return size < target * _SMALL and size + tokens <= target and section.level >= group[0].level


def _sections(extracted: Extracted) -> list[_Section]:
    text = extracted.text
    headings = {heading.start: heading for heading in extracted.headings if 0 <= heading.start < len(text)}
    places = {0, *headings, *_page_ends(text, extracted.pages)}
    sections: list[_Section] = []
    path: list[tuple[int, str]] = []
    bounds = [*sorted(places), len(text)]
    for start, end in itertools.pairwise(bounds):
        heading = headings.get(start)
        if heading is not None:
            while path and path[-1][0] >= heading.level:
                path.pop()
            path.append((heading.level, heading.text))
        if _INK.search(text, start, end) is None:
            continue
        line_end = text.find("\n", start, end) if heading is not None else start
        bare = line_end < 0 or _INK.search(text, line_end, end) is None
        names = tuple(name for _, name in path)
        sections.append(_Section(start, end, path[-1][0] if path else 0, names, bare))
    return sections


def _page_ends(text: str, pages: Sequence[Page]) -> list[int]:
    """Where pages begin; not those that a sentence runs into from the page before."""
    return [page.start for page in pages if 0 < page.start < len(text) and not _runs_on(text, page.start)]


def _runs_on(text: str, place: int) -> bool:
    before = text[max(0, place - _LOOK) : place].rstrip()[-1:]
    after = text[place : place + _LOOK].lstrip()[:1]
    return bool(before) and before not in _ENDS and after.islower()


def _common(paths: Sequence[Path]) -> Path:
    shortest = min(paths, key=len)
    for index, name in enumerate(shortest):
        if any(path[index] != name for path in paths):
            return shortest[:index]
    return shortest
