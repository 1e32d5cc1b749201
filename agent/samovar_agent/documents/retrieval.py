"""From the chunks that a search found to the passages that are shown and answered from.

    found = reranked(found, scores)               # where a reranking model is there
    found = distinct(found, 12)                   # no text twice
    for passage in passages(found): ...           # neighbours as one text

What is found, and in which order, is decided in `retrieval_fusion`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

ALIKE = 0.9
"""Of the shorter text's word triples that another text has too, from which on it says nothing new."""
MOST_JOINED = 4
"""Chunks that become one passage at most, or a document of which all is found would be a single one."""

_WIDEST_GAP = 16
"""Characters of white space between neighbours, which chunks leave out."""
_WORD = re.compile(r"\w+")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that a search found.

    - chunk, document: ids. - ordinal: its number within the document. - start, end: where in the document `text` is.
    - page, headings: see `chunking.Chunk`. - score: larger is better; only good for comparing within one search.
    """

    chunk: int
    document: int
    ordinal: int
    text: str
    start: int
    end: int
    score: float
    page: int | None = None
    headings: tuple[str, ...] = ()


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Chunks of a document that follow each other: character `n` of `text` is character `start + n` of the document.

    - chunks: their ids. - page, headings, score: of the best of them. White space between chunks becomes line breaks.
    """

    chunks: tuple[int, ...]
    document: int
    text: str
    start: int
    end: int
    score: float
    page: int | None
    headings: tuple[str, ...]


def reranked(found: Sequence[Found], scores: Sequence[float]) -> list[Found]:
    """The chunks with the scores that a reranking model gave them, best first; raises ValueError for other counts."""
    rescored = [msgspec.structs.replace(one, score=score) for one, score in zip(found, scores, strict=True)]
    return sorted(rescored, key=lambda one: -one.score)


def distinct(found: Sequence[Found], limit: int) -> list[Found]:
    """The first `limit` chunks that say something which none before them says.

    Copies and versions of a file have the same paragraphs; as sources of an answer they would push out all others.
    """
    kept: list[Found] = []
    known: list[frozenset[int]] = []
    for one in found:
        if len(kept) == limit:
            break
        triples = _triples(one.text)
        if not any(len(triples & other) >= ALIKE * min(len(triples), len(other)) for other in known):
            kept.append(one)
            known.append(triples)
    return kept


def passages(found: Sequence[Found], most: int = MOST_JOINED) -> list[Passage]:
    """Neighbours joined, best first. - most: chunks of one passage at most."""
    ordered = sorted(found, key=lambda one: (one.document, one.ordinal))
    joined: list[Passage] = []
    for _, of_document in groupby(ordered, key=lambda one: one.document):
        joined.extend(_passage(run) for run in _runs(of_document, most))
    return sorted(joined, key=lambda passage: -passage.score)


def _runs(ordered: Iterator[Found], most: int) -> Iterator[list[Found]]:
    run: list[Found] = []
    for one in ordered:
        if run and not (
            len(run) < most and one.ordinal == run[-1].ordinal + 1 and one.start - run[-1].end <= _WIDEST_GAP
        ):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _passage(run: Sequence[Found]) -> Passage:
    best = max(run, key=lambda one: one.score)
    text = ""
    end = run[0].start
    for one in run:
        text += "\n" * (one.start - end) + one.text[max(0, end - one.start) :]
        end = max(end, one.end)
    return Passage(
        chunks=tuple(one.chunk for one in run),
        document=best.document,
        text=text,
        start=run[0].start,
        end=end,
        score=best.score,
        page=best.page,
        headings=best.headings,
    )


def _triples(text: str) -> frozenset[int]:
    words = _WORD.findall(text.casefold())
    if len(words) < 3:
        return frozenset({hash(tuple(words))})
    return frozenset(map(hash, zip(words, words[1:], words[2:], strict=False)))
