"""A place in a text that is still being written.

A reader is a generator that yields where it needs more text than there is. It decides by the text alone, never by how
the text was split, so a reply reads the same however it arrives.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import TypeVar

T = TypeVar("T")
Reading = Generator[None, None, T]

_SPACE = re.compile(r"\s*")


class Malformed(Exception):
    """The text is not what was being read, or it ended inside."""


class Cursor:
    """The text, and how much of it is read. - at: index of the next character. - ended: nothing more will come."""

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.ended = False

    def append(self, text: str) -> None:
        """More has been written."""
        self.text += text

    def discard(self) -> None:
        """Forget what has been read, but for one character: whether a marker is quoted depends on it."""
        if self.at > 1:
            self.text = self.text[self.at - 1 :]
            self.at = 1

    def more(self) -> Reading[None]:
        """Wait for more; raises `Malformed` where nothing will come."""
        if self.ended:
            raise Malformed
        yield

    def peek(self) -> Reading[str]:
        """The next character."""
        while self.at == len(self.text):
            yield from self.more()
        return self.text[self.at]

    def take(self, count: int) -> Reading[str]:
        """The next `count` characters, consumed."""
        while self.at + count > len(self.text):
            yield from self.more()
        self.at += count
        return self.text[self.at - count : self.at]

    def space(self) -> Reading[str]:
        """White space, consumed; up to the end of the text at most."""
        start = self.at
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or self.ended:
                return self.text[start : self.at]
            yield

    def run(self, pattern: re.Pattern[str]) -> Reading[str]:
        """As many characters as match `pattern`, which is for one character; consumed."""
        start = self.at
        while True:
            while self.at < len(self.text) and pattern.match(self.text[self.at]):
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[start : self.at]
            yield

    def match(self, *options: str) -> Reading[str | None]:
        """The one of `options` that stands here, consumed; None where none does. None of them may begin another."""
        longest = max(map(len, options))
        while True:
            for option in options:
                if self.text.startswith(option, self.at):
                    self.at += len(option)
                    return option
            rest = self.text[self.at : self.at + longest]
            if self.ended or not any(option.startswith(rest) for option in options):
                return None
            yield

    def expect(self, *options: str) -> Reading[str]:
        """Like `match`; raises `Malformed` where none stands here."""
        found = yield from self.match(*options)
        if found is None:
            raise Malformed
        return found

    def until(self, *ends: str) -> Reading[tuple[str, str]]:
        """The text before the first of `ends`, and which it is; both consumed. None of them may contain another."""
        start = searched = self.at
        overlap = max(map(len, ends)) - 1
        while True:
            found = first(self.text, ends, searched)
            if found:
                at, end = found
                self.at = at + len(end)
                return self.text[start:at], end
            searched = max(start, len(self.text) - overlap)
            yield from self.more()


def first(text: str, markers: Sequence[str], start: int) -> tuple[int, str] | None:
    """Where the first of `markers` stands, and which."""
    found = [(at, marker) for marker in markers if (at := text.find(marker, start)) >= 0]
    return min(found) if found else None


def possible_start(text: str, markers: Sequence[str], start: int) -> int:
    """Where a marker may have begun that is not complete yet; the end of `text` where none has."""
    earliest = len(text)
    for marker in markers:
        at = text.find(marker[0], max(start, len(text) - len(marker) + 1))
        while 0 <= at < earliest:
            if marker.startswith(text[at:]):
                earliest = at
                break
            at = text.find(marker[0], at + 1)
    return earliest
