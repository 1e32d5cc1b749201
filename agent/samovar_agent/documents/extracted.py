"""What a file says, once it has been read: the text, and where its pages and headings begin.

Every place is a character offset into `text`, so that a citation can open the right page and mark the right words.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Reason = Literal[
    "encrypted",  # a password is needed
    "empty",  # there is nothing in the file
    "no_text",  # sound, but without text: a scanned PDF
    "damaged",  # truncated, or not what its format says
    "mislabelled",  # its content is another format than its name says, and cannot be read
    "unsupported",  # no format that is read here
    "too_large",  # the file, or what comes out of it, is over its limit
    "too_deep",  # nested deeper than is read
    "too_slow",  # reading it took longer than its time limit
    "out_of_memory",  # reading it took more memory than its limit
    "crashed",  # the reader ended while it had this file
    "unreadable",  # the operating system refuses the file, or it is gone
]
"""Why a file gave no text, or not all of it; stable, since programs compare it."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """- message: one sentence that says what is wrong with the file. - hint: what its owner can do; may be empty."""

    reason: Reason
    message: str
    hint: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page, slide or sheet: `text[start:end]`. - number: from 1; None where the format has no numbers."""

    number: int | None
    start: int
    end: int


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """A heading. - level: 1 is the outermost. - text: without markup. - start: where its line begins in the text."""

    level: int
    text: str
    start: int


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """A document as text.

    - title: what the document calls itself, or its file's name. - media_type: what it is, e.g. "application/pdf".
    - language: a two-letter code; None where it is not known. - pages, headings: in the order of their starts.
    - problem: why there is no text, or not all of it.
    """

    title: str
    media_type: str
    text: str
    language: str | None = None
    pages: list[Page] = []
    headings: list[Heading] = []
    problem: Problem | None = None
