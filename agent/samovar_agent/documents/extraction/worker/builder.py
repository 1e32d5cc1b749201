"""The text of a document, put together from its blocks, with the places of pages and headings."""

from __future__ import annotations

from collections.abc import Iterable

from samovar_agent.documents.extracted import Heading, Page

_MOST_LEVELS = 6


class TextBuilder:
    """Collects blocks.

    builder.turn(1)
    builder.heading(1, "Tea")
    builder.paragraph("Leaves in hot water.")
    builder.text()                                  # "Tea\n\nLeaves in hot water."
    """

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._parts: list[str] = []
        self._length = 0
        self._in_list = False
        self._pages: list[tuple[int, int, int]] = []
        self._turned: int | None = None

    def turn(self, number: int) -> None:
        """What follows is on that page."""
        self._turned = number

    def heading(self, level: int, text: str) -> None:
        """A heading, on a line of its own."""
        line = " ".join(_clean(text).split())
        start = self._add(line)
        if start is not None:
            self.headings.append(Heading(level=min(max(level, 1), _MOST_LEVELS), text=line, start=start))

    def paragraph(self, text: str) -> None:
        """A paragraph, with a blank line before it."""
        self._add(_clean(text))

    def code(self, text: str) -> None:
        """Lines of a program, between fences as in Markdown."""
        lines = _lines(text).strip("\n")
        self._add(f"```\n{lines}\n```" if lines.strip() else "")

    def item(self, text: str) -> None:
        """An item of a list, below the one before it."""
        self._add("- " + line if (line := _clean(text)) else "", in_list=True)

    def table(self, rows: Iterable[Iterable[str]]) -> None:
        """A table, each row on a line."""
        self._add("\n".join(row_line(cells) for row in rows if any(cells := [_in_cell(cell) for cell in row])))

    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def pages(self) -> list[Page]:
        """The pages on which there is something."""
        return [Page(number=number, start=start, end=end) for number, start, end in self._pages]

    def _add(self, block: str, *, in_list: bool = False) -> int | None:
        if not block:
            return None
        if self._length:
            separator = "\n" if in_list and self._in_list else "\n\n"
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._parts.append(block)
        self._length += len(block)
        self._in_list = in_list
        if self._turned is not None:
            if self._pages and self._pages[-1][0] == self._turned:
                self._pages[-1] = (*self._pages[-1][:2], self._length)
            else:
                self._pages.append((self._turned, start, self._length))
        return start


def row_line(cells: Iterable[str]) -> str:
    """A row of a table as a line."""
    return f"| {' | '.join(cells)} |"


def _in_cell(text: str) -> str:
    return " ".join(_clean(text).split())


def _clean(text: str) -> str:
    return _lines(text).strip()


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
