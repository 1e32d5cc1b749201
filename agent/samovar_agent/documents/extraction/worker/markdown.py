"""Headings in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from samovar_agent.documents.extracted import Heading

_INDENT_OF_CODE = 4
_MOST_LEVELS = 6


def headings_of(text: str) -> list[Heading]:
    """Every heading outside of code blocks and front matter."""
    headings: list[Heading] = []
    fence = ""
    above: tuple[int, str] | None = None  # a line of text that a line of dashes below would make a heading
    for start, line in _lines(text, _after_front_matter(text)):
        stripped = line.strip()
        if fence:
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                fence = ""
            continue
        if _indent(line) >= _INDENT_OF_CODE or not stripped:
            above = None
            continue
        if stripped.startswith(("```", "~~~")):
            fence = stripped[: len(stripped) - len(stripped.lstrip(stripped[0]))]
            above = None
        elif heading := _marked(stripped, start):
            headings.append(heading)
            above = None
        elif above is not None and not stripped.strip("=-") and len(set(stripped)) == 1:
            headings.append(Heading(level=1 if stripped[0] == "=" else 2, text=above[1], start=above[0]))
            above = None
        else:
            above = None if stripped.startswith(("-", "*", "+", ">", "|")) else (start, stripped)
    return headings


def _marked(line: str, start: int) -> Heading | None:
    rest = line.lstrip("#")
    level = len(line) - len(rest)
    if not 1 <= level <= _MOST_LEVELS or not rest.startswith((" ", "\t")):
        return None
    text = rest.strip()
    unclosed = text.rstrip("#")
    if not unclosed or unclosed[-1].isspace():
        text = unclosed.strip()
    return Heading(level=level, text=text, start=start) if text else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) + (_INDENT_OF_CODE if line.startswith("\t") else 0)


def _after_front_matter(text: str) -> int:
    if not text.startswith("---\n"):
        return 0
    end = text.find("\n---\n", 3)
    return end + len("\n---\n") if end >= 0 else 0


def _lines(text: str, start: int) -> Iterator[tuple[int, str]]:
    while start < len(text):
        end = text.find("\n", start)
        end = end if end >= 0 else len(text)
        yield start, text[start:end]
        start = end + 1
