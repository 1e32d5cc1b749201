"""What Python's values become in the columns of the documents' tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

SEEN = "collection NOT IN (SELECT id FROM collections WHERE created_at = 0)"
"""Of rows whose collection is not still being imported; "not in" keeps SQLite from beginning with the collections."""

_AT_ONCE = 900
"""Values in one statement; old builds of SQLite take 999."""


def path_column(path: str | None) -> bytes | None:
    """A path as the operating system has it: names are bytes there, which need not be UTF-8."""
    return None if path is None else os.fsencode(path)


def path_value(column: bytes | None) -> str | None:
    """The path that `path_column` was given."""
    return None if column is None else os.fsdecode(column)


def text_column(text: str) -> str:
    """The text with a "?" for each half of a surrogate pair, which SQLite cannot store; as long as before."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def slices(values: Sequence[T]) -> Iterator[tuple[str, Sequence[T]]]:
    """The values in portions that one statement can take, each with as many question marks."""
    for start in range(0, len(values), _AT_ONCE):
        portion = values[start : start + _AT_ONCE]
        yield ", ".join("?" * len(portion)), portion
