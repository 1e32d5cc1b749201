"""Checks a reply against its sources: which it cites, where that stands, and whether it says that nothing does.

checked = check("It took 3 weeks [2].", given)
checked.citations[0].page, checked.citations[0].quote
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from samovar_agent.documents.answering_sources import Given, Source
from samovar_agent.documents.citations_quotes import (
    Searchable,
    Span,
    best_sentence,
    same_sentence,
    sentences,
    sentences_around,
)
from samovar_protocol.documents import Citation, Outcome

NOT_FOUND = "Not in these documents."
"""What a reply says where the sources do not hold the answer; in this language, whatever the question's."""

_NOT_FOUND = re.compile(r"\bnot\s+in\s+these\s+documents\b", re.IGNORECASE)
_MOST_QUOTED = 2000
_NUMBERS = r"\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*"
_MARKER = re.compile(
    rf"\[\^?(?:sources?\s+)?({_NUMBERS})\]|【\s*(?:sources?\s+)?({_NUMBERS})[^】\n]{{0,20}}】", re.IGNORECASE
)
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)
_QUOTED = re.compile(
    "|".join(
        rf"{opening}([^{closing}\n]{{1,{_MOST_QUOTED}}})[{closing}]"
        for opening, closing in (('"', '"'), ("“", "”"), ("„", "“”"), ("«", "»"), ("»", "«"), ("「", "」"))
    )
)
_STATEMENT = 500
"""Characters before and after a number that may be what it is about."""
_LEAST_QUOTE = 12
"""Letters; shorter quotation marks are about words rather than around what a source says."""
_MOST_NUMBERS = 20
"""Of one range; more is no citation."""
_SOURCES = r"(?:documents?|sources?|passages?|texts?|excerpts?|context|materials?)"
_DENIAL = re.compile(
    rf"\b{_SOURCES}\b[^.!?\n]{{0,40}}\b(?:do|does|did)(?: not|n['’]t) (?:\w+ )?(?:mention|contain|provide|include|state"
    rf"|specify|say|address|discuss|answer|cover|give|describe|have|indicate|refer|offer)"
    rf"|(?:\b(?:not|no|nothing|cannot)|n['’]t)\b[^.!?\n]{{0,80}}\b(?:in|by|from) (?:the|these|this|any of the|my|your)"
    rf" (?:\w+ )?{_SOURCES}\b",
    re.IGNORECASE,
)
"""How models say it in their own words, mostly."""
_IGNORANCE = re.compile(
    r"\bI(?:(?: do|[’']m| am|)(?: not| un|n['’]t)|[’']m (?:not|un)| can(?:not| not|['’]t)| could(?: not|n['’]t))"
    r" ?(?:able to )?(?:know|find|answer|say|tell|determine|sure|certain)\b"
    r"|\bno information (?:is |was )?(?:about|on|available|given|provided|found)\b"
    r"|\b(?:ich weiß|weiß ich) (?:es |das )?nicht\b|\bkann ich nicht (?:sagen|beantworten|finden)\b"
    r"|\bnicht in (?:den|diesen|dem|diesem) (?:Dokument|Quelle|Text|Unterlage)"
    r"|\bkeine (?:Information(?:en)?|Angaben?) (?:über|zu|dazu|darüber)\b"
    r"|\bje ne (?:sais|trouve|peux) pas\b|\bne (?:mentionnent?|disent?|précisent?|contiennent?|dit) pas\b"
    r"|\bno lo sé\b|\bno (?:se menciona|aparece|hay información|se indica)\b"
    r"|(?:わか|分か|知)りません|(?:記載|情報|記述)[はがも]?(?:あり|されてい)ません|(?:不知道|没有提到|未提及|沒有提到)",
    re.IGNORECASE,
)
"""Likewise, where they speak of themselves, or another language."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply is worth.

    - outcome: "answered" with at least one citation; "not_found" where it says that the sources do not tell;
    "uncited" where it says something and nobody knows from where.
    - unknown: numbers that it cites and that no source has. - misquotes: what it quotes and no source says.
    """

    outcome: Outcome
    citations: list[Citation]
    unknown: list[int]
    misquotes: list[str]


class _Marker(NamedTuple):
    at: int
    until: int
    numbers: list[int]


def check(reply: str, given: Given, *, question: str = "") -> Checked:
    """Check a whole reply. - question: what it quotes from there needs no source."""
    visible = _blanked(reply, [match.span() for match in _CODE.finditer(reply)])
    sources = {source.number: source for source in given.sources}
    texts = {number: Searchable(source.passage.text) for number, source in sources.items()}
    theirs = _own_references(visible, texts.values())
    markers = [marker for marker in _markers(visible) if not any(start < marker.at < end for start, end in theirs)]
    prose = _blanked(visible, [(marker.at, marker.until) for marker in markers])
    spans = sentences(prose, lines=True)
    citations: list[Citation] = []
    unknown: list[int] = []
    for marker in markers:
        statement = _statement(prose, spans, marker)
        for number in marker.numbers:
            if number not in sources:
                unknown.append(number)
            elif not _NOT_FOUND.search(statement):
                citations.append(_cited(marker, sources[number], texts[number], statement))
    outcome = _outcome(prose, citations)
    if outcome == "uncited" and (citations := _inferred(prose, spans, sources, texts)):
        outcome = "answered"
    return Checked(
        outcome=outcome,
        citations=citations,
        unknown=sorted(set(unknown)),
        misquotes=_misquotes(prose, [*texts.values(), Searchable(question)]),
    )


def names_a_source(reply: str, given: Given) -> bool:
    """Whether a reply, whole or not, has the number of a source in brackets."""
    numbers = {source.number for source in given.sources}
    return any(numbers.intersection(marker.numbers) for marker in _markers(reply))


def says_not_found(reply: str) -> bool:
    """Whether a reply, whole or not, says that the sources do not tell."""
    return any(pattern.search(reply) for pattern in (_NOT_FOUND, _DENIAL, _IGNORANCE))


def without_markers(text: str) -> str:
    """The text without its citation markers and the spaces before them; code stays as it is."""
    visible = _blanked(text, [match.span() for match in _CODE.finditer(text)])
    kept, at = [], 0
    for marker in _markers(visible):
        kept.append(text[at : marker.at].rstrip(" "))
        at = marker.until
    return "".join(kept) + text[at:]


def _markers(text: str) -> Iterator[_Marker]:
    for match in _MARKER.finditer(text):
        numbers: list[int] = []
        for part in re.split(r"\s*[,;]\s*", match[1] or match[2]):
            ends = [int(number) for number in re.split(r"\s*[–-]\s*", part)]
            first, last = ends[0], ends[-1]
            numbers += range(first, last + 1) if first <= last < first + _MOST_NUMBERS else ends
        yield _Marker(*match.span(), list(dict.fromkeys(numbers)))


def _own_references(text: str, sources: Iterable[Searchable]) -> list[Span]:
    """Quotes that a source has with all of their numbers in brackets: those are its own, not citations of ours."""
    spans = [(match.span(), match[0]) for match in _QUOTED.finditer(text) if _MARKER.search(match[0])]
    return [span for span, quote in spans if any(source.find(quote) for source in sources)]


def _statement(prose: str, spans: list[Span], marker: _Marker) -> str:
    """What a marker is about: the sentence in which or after which it stands, unless it begins a line with another."""
    before, after = sentences_around(spans, marker.at)
    if before and after and "\n" in prose[before[1] : marker.at] and "\n" not in prose[marker.until : after[0]]:
        before = None
    span = before or after
    return prose[max(span[0], marker.at - _STATEMENT) : min(span[1], marker.until + _STATEMENT)] if span else ""


def _cited(marker: _Marker, source: Source, text: Searchable, statement: str) -> Citation:
    passage = source.passage
    quoted = next((found for quote in _quotes(statement) if (found := text.find(quote))), None)
    span = quoted or best_sentence(passage.text, statement)
    start, end = span or (0, len(passage.text))
    return Citation(
        at=marker.at,
        until=marker.until,
        number=source.number,
        document=passage.document,
        name=passage.name,
        page=passage.page,
        headings=list(passage.headings),
        start=passage.start + start,
        end=passage.start + end,
        quote=passage.text[start:end] if span else None,
        verbatim=quoted is not None,
    )


def _inferred(
    prose: str, spans: list[Span], sources: dict[int, Source], texts: dict[int, Searchable]
) -> list[Citation]:
    """Citations of a reply that has none, as small models forget them: where a source says what a sentence says."""
    citations: list[Citation] = []
    for start, end in spans:
        statement = prose[start:end]
        for number, source in sources.items():
            quoted = any(texts[number].find(quote) for quote in _quotes(statement))
            if quoted or same_sentence(source.passage.text, statement) is not None:
                marker = _Marker(end, end, [number])
                cited = _cited(marker, source, texts[number], statement)
                citations.append(msgspec.structs.replace(cited, inferred=True))
                break
    return citations


def _outcome(prose: str, citations: list[Citation]) -> Outcome:
    if citations:
        return "answered"
    return "not_found" if says_not_found(prose) else "uncited"


def _misquotes(prose: str, texts: list[Searchable]) -> list[str]:
    quotes = dict.fromkeys(_quotes(prose))
    return [quote for quote in quotes if not any(text.find(quote) for text in texts)]


def _quotes(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        quote = next(group for group in match.groups() if group is not None)
        if sum(map(str.isalnum, quote)) >= _LEAST_QUOTE:
            yield " ".join(quote.split())


def _blanked(text: str, spans: list[Span]) -> str:
    """The same length, with spaces instead of these."""
    kept, at = [], 0
    for start, end in spans:
        kept += [text[at:start], " " * (end - start)]
        at = end
    return "".join(kept) + text[at:]
