"""What a model gets to read: whole documents where they fit, else the passages that were found, as numbered sources.

    given = whole([parts(text, chunks)], budget, count_tokens) or chosen(passages, budget, count_tokens)
    given.kind                      # "whole" or "passages": the reply says which
    given.text                      # the sources, marked as such, for the prompt

Nothing here depends on the question, so that the same documents are the same tokens each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from samovar_agent.models.gguf_reader import printable, shown
from samovar_protocol import FailureCode, SamovarError

CountTokens = Callable[[list[str]], list[int]]
"""Of the model that will read them; one count for each text."""

_MOST_CHARACTERS_A_TOKEN = 8
"""Prose has four to five; with more than this a text need not be counted to know that it does not fit."""
_CODE_DIGITS = 6
"""More where a text has these; all of them it cannot have, since they depend on it."""
_MAX_HEADING_CHARACTERS = 120


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document. - name: of the document, for people. - text: what it has from `start` to `end`."""

    document: int
    name: str
    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A passage with the number by which it is cited, from 1."""

    number: int
    passage: Passage


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the model reads. - code: part of every mark, and of none of the texts. - left_out: passages without room."""

    kind: Literal["whole", "passages"]
    sources: tuple[Source, ...]
    code: str
    tokens: int
    left_out: int = 0

    @property
    def text(self) -> str:
        """The sources between their marks."""
        return "\n".join(_marked(source, self.code) for source in self.sources)


def parts(text: str, passages: Sequence[Passage]) -> list[Passage]:
    """A whole document, cut where `passages`, which may overlap, begin; every character is in one part.

    - passages: of that document alone, in its order, at least one.
    """
    starts = [0, *(passage.start for passage in passages[1:])]
    ends = [*starts[1:], len(text)]
    return [
        msgspec.structs.replace(passage, text=text[start:end], start=start, end=end)
        for passage, start, end in zip(passages, starts, ends, strict=True)
        if start < end
    ]


def whole(documents: Sequence[Sequence[Passage]], budget: int, count_tokens: CountTokens) -> Given | None:
    """All parts of these documents, or None where they have more tokens than `budget`."""
    passages = [passage for document in documents for passage in document]
    characters = sum(len(passage.text) for passage in passages)
    if not passages or characters > budget * _MOST_CHARACTERS_A_TOKEN:
        return None
    code, sources = _code(passages), _numbered(passages)
    tokens = sum(count_tokens([_marked(source, code) for source in sources]))
    return Given(kind="whole", sources=sources, code=code, tokens=tokens) if tokens <= budget else None


def chosen(passages: Sequence[Passage], budget: int, count_tokens: CountTokens) -> Given:
    """As many as fit, the best first; one that is too long does not keep out a shorter one after it.

    They stand in the order of their documents, the one with the best passage first: text that belongs together reads
    best together. Raises `context_overflow` where not even one fits.

    - passages: the best first.
    """
    code = _code(passages)
    counts = count_tokens([_marked(source, code) for source in _numbered(passages)]) if passages else []
    kept: list[Passage] = []
    tokens = 0
    for passage, count in zip(passages, counts, strict=True):
        if tokens + count <= budget:
            kept.append(passage)
            tokens += count
    if passages and not kept:
        raise SamovarError(
            FailureCode.CONTEXT_OVERFLOW,
            f"The shortest passage that was found has {min(counts):,} tokens; there is room for {max(budget, 0):,}.",
            hint="Load the model with a larger context, or ask in a new conversation.",
            details={"need_tokens": min(counts), "free_tokens": max(budget, 0)},
        )
    documents = list(dict.fromkeys(passage.document for passage in kept))
    kept.sort(key=lambda passage: (documents.index(passage.document), passage.start))
    left_out = len(passages) - len(kept)
    return Given(kind="passages", sources=_numbered(kept), code=code, tokens=tokens, left_out=left_out)


def _numbered(passages: Sequence[Passage]) -> tuple[Source, ...]:
    return tuple(Source(number=number, passage=passage) for number, passage in enumerate(passages, 1))


def _marked(source: Source, code: str) -> str:
    """A source as the model sees it. Whoever wrote the text could not know the code, so cannot end the source."""
    passage = source.passage
    about = [_line(passage.name)]
    if passage.page is not None:
        about.append(f"page {passage.page}")
    if passage.headings:
        about.append(_line(" > ".join(passage.headings)))
    return f"<source {source.number} {code}>\n{', '.join(about)}\n{passage.text.strip()}\n</source {code}>\n"


def _line(text: str) -> str:
    return printable(shown(" ".join(text.split())))[:_MAX_HEADING_CHARACTERS]


def _code(passages: Sequence[Passage]) -> str:
    """Letters and digits that none of the texts contain; the same for the same texts, so that they stay in memory."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(f"{passage.document}:{passage.start}:{passage.text}\0".encode(errors="surrogatepass"))
    texts = [text for passage in passages for text in (passage.text, passage.name, *passage.headings)]
    whole = digest.hexdigest()
    digits = _CODE_DIGITS
    while any(whole[:digits] in text for text in texts):
        digits += 1
    return whole[:digits]
