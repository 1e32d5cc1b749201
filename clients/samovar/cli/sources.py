"""Where something stands, for people: the sources below an answer, and what the answer is worth."""

from __future__ import annotations

import re
import shutil
import textwrap
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, terminal

if TYPE_CHECKING:
    from samovar_protocol.documents import Citation, DocumentPassage
    from samovar_protocol.replies import DocsAskReply

_INDENT = 4
_WIDTH = 100
"""Characters in a line; fewer on a narrow terminal."""
_WORD = re.compile(r"\w+")
_LEAST_WORD = 3
"""Letters of a word that is looked for."""
_STEM = 6
"""Words count as the same when they begin with the same letters."""
_UNSPACED = "\u0e00"
"""From here on are the scripts that put no spaces between words, with some others that do."""
_BEFORE = 30
"""So many characters are shown before the first word that was looked for."""
_MORE = " …"
"""Ends what goes on."""
_NAMES = 3
"""So many documents are named; of the others the number is said."""


def place(found: Citation | DocumentPassage) -> str:
    """`report.pdf, page 3, Costs › Travel`."""
    parts = [found.name]
    if found.page is not None:
        parts.append(f"page {found.page}")
    if found.headings:
        parts.append(" › ".join(found.headings))
    return in_one_line(", ".join(parts))


def excerpt(text: str, *, lines: int, about: str = "") -> str:
    """Some of `text`, indented below what it belongs to: its beginning, or where most words of `about` stand.

    - lines: at most so many.
    """
    width = max(20, min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns) - _INDENT)
    text = in_one_line(text)
    width = max(10, width * len(text) // max(1, _columns(text)))
    start = _start(text, about, width * (lines - 1))
    wrapped = _wrapped(f"… {text[start:]}" if start else text, width, lines)
    return "\n".join(" " * _INDENT + line for line in wrapped)


def _wrapped(text: str, width: int, lines: int) -> list[str]:
    """So many lines at most; what has no spaces to be wrapped at is cut."""
    if max(map(len, text[: width * lines].split()), default=0) <= width:
        return textwrap.wrap(text, width, max_lines=lines, placeholder=_MORE)
    end = width * lines
    text = text if len(text) <= end else text[: end - len(_MORE)].rstrip() + _MORE
    return [text[at : at + width].strip() for at in range(0, len(text), width)]


def _columns(text: str) -> int:
    """What a terminal shows it in: an ideograph takes two columns, a mark above or below a letter none."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.category(letter) in ("Mn", "Me") for letter in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def _start(text: str, about: str, length: int) -> int:
    """Where the first stretch of so many characters begins that no other has more of the words than."""
    wanted = {word for _, word in _words(about.lower())}
    found = [(place, word) for place, word in _words(text.lower()) if word in wanted]
    if len(text) != len(text.lower()):  # some letters have two in lower case, and places would not be the same
        return 0
    places = [place for place, _ in found]
    best, most = 0, len({word for place, word in found if place < length})
    for first, (place, _) in enumerate(found):
        words = {word for _, word in found[first : bisect_left(places, place + length)]}
        if len(words) > most:
            best, most = place, len(words)
    if not best:
        return 0
    latest = max(0, best - min(_BEFORE, length // 3))
    space = text.rfind(" ", 0, latest) + 1
    return space if latest - space <= _BEFORE else latest  # where there are no spaces, anywhere


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Where each word begins, and its stem; of scripts that put no spaces between words, any two letters."""
    for match in _WORD.finditer(text):
        word = match[0]
        if max(word) >= _UNSPACED:
            yield from ((match.start() + at, word[at : at + 2]) for at in range(len(word) - 1))
        elif len(word) >= _LEAST_WORD:
            yield match.start(), word[:_STEM]


def in_one_line(text: str) -> str:
    """`text` without the line breaks and columns of its document."""
    return " ".join(terminal.harmless(text.replace("\r", " ")).split())


def show_citations(citations: Sequence[Citation]) -> None:
    """By number: where each stands, and in one or two lines what stands there."""
    for shown, group in groupby(sorted(citations, key=_order), key=lambda cited: f"[{cited.number}] {place(cited)}"):
        output.say(shown)
        same = list(group)
        for quote in dict.fromkeys(cited.quote for cited in same if cited.quote):
            output.say(excerpt(f"“{quote}”", lines=2))
        if not any(cited.quote for cited in same):
            output.say(excerpt("(No single sentence of it says this.)", lines=1))


def show_worth(reply: DocsAskReply) -> None:
    """What stands below an answer: its sources on stdout; on stderr what is wrong with it and what it is made from."""
    if reply.citations:
        click.echo()
        show_citations(reply.citations)
    if reply.outcome == "uncited":
        output.warn("The answer names no source; nothing shows that the documents say this.")
    if reply.unknown:
        output.warn(f"It cites {', '.join(f'[{number}]' for number in reply.unknown)}; there is no such source.")
    for quote in reply.misquotes:
        output.warn(f"It quotes what no source says: “{in_one_line(quote)}”")
    if reply.withheld:
        output.note("What the model wrote instead is in none of the documents:")
        output.note(excerpt(f"“{reply.withheld}”", lines=2), dim=True)
    if reply.note:
        output.note(reply.note)
    output.note(_made_from(reply), dim=True)


def _order(cited: Citation) -> tuple[int, int, int]:
    return cited.number, cited.start, cited.at


def _made_from(reply: DocsAskReply) -> str:
    names = list(dict.fromkeys(in_one_line(source.name) for source in reply.sources))
    shown = ", ".join(names[:_NAMES]) + (f" and {human.number(len(names) - _NAMES)} more" if names[_NAMES:] else "")
    match reply.given:
        case "whole":
            return f"(The model read these documents whole: {shown}.)"
        case "passages":
            return f"(The model read {human.counted(len(reply.sources), 'passage')} of {shown}.)"
        case "nothing":
            return "(Nothing that fits was found, so no model was asked.)"
