"""Cuts a document into chunks: the pieces that are searched, embedded and quoted.

    for chunk in chunks(extracted, count_tokens, target=256, overlap=32): ...

A chunk ends where something in the document ends: a section, a page, a paragraph, a row, a sentence. It is always
`text[start:end]` of the document, so that a citation can be marked there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import msgspec

from samovar_agent.documents.chunking_breaks import Breaks
from samovar_agent.documents.chunking_outline import Outline
from samovar_agent.documents.chunking_tokens import TokenCurve
from samovar_agent.documents.extracted import Extracted

CountTokens = Callable[[list[str]], list[int]]
Span = tuple[int, int]

TARGET_TOKENS = 256
"""What small embedding models were trained to read at once, and little enough to be about one thing."""
OVERLAP_TOKENS = 32
LEAST_TARGET = 16
CONTEXT_CHARACTERS = 200
"""Of titles and headings that go before a chunk when it is embedded; about 50 tokens."""

_AIM = 0.92
"""How much of the target is aimed at, since counts between two measured places are estimates."""
_NEAR = 0.4
"""How far from the ideal place, in parts of a chunk, a better place to cut is looked for."""
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document: `text` is what stands there from `start` to `end`.

    - page: the one that holds most of it. - headings: of the section that holds most of it, outermost first.
    - tokens: of the text alone, as they were counted.
    """

    text: str
    page: int | None
    headings: tuple[str, ...]
    start: int
    end: int
    tokens: int


def chunks(
    extracted: Extracted,
    count_tokens: CountTokens,
    *,
    target: int = TARGET_TOKENS,
    overlap: int = OVERLAP_TOKENS,
) -> list[Chunk]:
    """The chunks of a document, in its order; together they hold all of its text but white space.

    - count_tokens: how many tokens each of some texts has; asked twice or three times, for many texts at once.
    - target: no chunk has more tokens than this, and most have nearly as many; 16 at least. Where a text is embedded
    with its title before it (`in_context`), leave room for that.
    - overlap: tokens that may be repeated at the start of the next chunk, within a section; a quarter of `target` at
    most. Raises ValueError.
    """
    if target < LEAST_TARGET:
        raise ValueError(f"A chunk has {LEAST_TARGET} tokens at least, not {target}.")
    if not 0 <= overlap <= target // 4:
        raise ValueError(f"The overlap is 0 to a quarter of the target, not {overlap} of {target}.")
    text = extracted.text
    curve = TokenCurve.measure(text, count_tokens)
    outline = Outline(extracted)
    breaks = Breaks(text, extracted.media_type)
    spans = [
        span
        for section in outline.groups(curve, target)
        for span in _split(text, section, curve, breaks, target, overlap)
    ]
    return [
        Chunk(
            text=text[start:end],
            page=outline.page(start, end),
            headings=outline.headings(start, end),
            start=start,
            end=end,
            tokens=tokens,
        )
        for start, end, tokens in _fitted(text, spans, count_tokens, breaks, target)
    ]


def in_context(title: str, headings: tuple[str, ...], text: str) -> str:
    """A chunk as it is embedded: below the names of its document and section, which it may not say itself."""
    names = headings if headings[:1] == (title,) else (title, *headings)
    context = " › ".join(name for name in names if name)[:CONTEXT_CHARACTERS]
    return f"{context}\n{text}" if context else text


def _fitted(
    text: str, spans: list[Span], count_tokens: CountTokens, breaks: Breaks, target: int
) -> list[tuple[int, int, int]]:
    """The spans with their tokens; what turns out to have more than the target is split again."""
    fitted: list[tuple[int, int, int]] = []
    while spans:
        counts = count_tokens([text[start:end] for start, end in spans])
        larger: list[Span] = []
        for (start, end), tokens in zip(spans, counts, strict=True):
            if tokens <= target or end - start == 1:
                fitted.append((start, end, tokens))
            else:
                curve = TokenCurve.even(start, end, tokens)
                larger.extend(_split(text, (start, end), curve, breaks, target, overlap=0))
        spans = larger
    fitted.sort()
    return fitted


def _split(text: str, span: Span, curve: TokenCurve, breaks: Breaks, target: int, overlap: int) -> Iterator[Span]:
    """Parts of about the same size, so that no rest is too small to mean anything."""
    start, end = span
    aim, total = target * _AIM, curve.at(end)
    while True:
        begin = curve.at(start)
        rest = total - begin
        if rest <= target or end - start < 2:
            break
        count = max(2, math.ceil((rest - overlap) / (aim - overlap)))
        ideal = (rest + (count - 1) * overlap) / count
        low = max(start + 1, curve.position(begin + ideal * (1 - _NEAR)))
        high = min(end - 1, curve.position(begin + min(aim, ideal * (1 + _NEAR))))
        high = max(low, high)
        cut = breaks.best(low, curve.position(begin + ideal), high)
        yield from _trimmed(text, start, cut)
        start = max(start + 1, breaks.resume(curve.position(curve.at(cut) - overlap), cut)) if overlap else cut
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without blank lines before and white space after it; nothing where there is nothing else."""
    lines = _BLANK_LINES.match(text, start, end)
    assert lines is not None, "it matches an empty text too"
    start = lines.end()
    end = start + len(text[start:end].rstrip())
    if end > start:
        yield start, end
