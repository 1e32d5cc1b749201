"""Which documents a search looks at."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from samovar_agent.store.columns import SEEN, path_column
from samovar_protocol.documents import DocumentFilter

Values = dict[str, str | int | float | bytes | None]
"""What the names in a condition stand for."""

__all__ = ["EVERY_DOCUMENT", "DocumentFilter", "Values", "condition"]

EVERY_DOCUMENT = DocumentFilter()


def condition(collections: Sequence[int] | None, filters: DocumentFilter) -> tuple[str, Values]:
    """What SQL says after WHERE about a row of `documents`, and the values of its names.

    - collections: None for all.
    """
    parts, values = ["documents.content IS NOT NULL"], Values()
    if collections is not None:
        parts.append(f"documents.collection IN ({_names('collection', collections, values)})")
    else:
        parts.append(f"documents.{SEEN}")
    if filters.media_types:
        parts.append(f"documents.media_type IN ({_names('media_type', filters.media_types, values)})")
    if filters.path_prefix is not None:
        parts.append(
            "(documents.path = :path OR (documents.path >= :path_inside AND documents.path < :path_after))",
        )
        path = filters.path_prefix.rstrip(os.sep)
        values["path"] = path_column(path)
        values["path_inside"] = path_column(path + os.sep)
        values["path_after"] = path_column(path + chr(ord(os.sep) + 1))
    if filters.since is not None:
        parts.append("documents.mtime >= :since")
        values["since"] = filters.since
    if filters.until is not None:
        parts.append("documents.mtime <= :until")
        values["until"] = filters.until
    if filters.documents:
        parts.append("documents.id IN (SELECT value FROM json_each(:documents))")
        values["documents"] = msgspec.json.encode(filters.documents).decode()
    return " AND ".join(parts), values


def _names(name: str, wanted: Sequence[str | int], values: Values) -> str:
    names: Values = {f"{name}{number}": value for number, value in enumerate(wanted)}
    values.update(names)
    return ", ".join(f":{key}" for key in names)
