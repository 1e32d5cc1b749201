"""Which chunks are of documents that a search looks at: all of them where they are few, else of some that were found.

Each question is one statement with one row as its answer, since the threads of Python would wait for each other at
every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from samovar_agent.store.filters import DocumentFilter, condition

if TYPE_CHECKING:
    from sqlite_utils import Database

_FEW_DOCUMENTS = 1000
_FEW_SHARE = 10
"""One document in so many is few, too."""
_numbers = msgspec.json.Decoder(list[int])


class Fitting:
    """What fits. - collections: None for all."""

    def __init__(self, db: Database, collections: Sequence[int] | None, filters: DocumentFilter) -> None:
        self._db = db
        self._where, self._values = condition(collections, filters)
        self._few: bool | None = None
        self._every: list[int] | None = None

    @property
    def few(self) -> bool:
        """Whether it is cheaper to know all that fit than to look at what was found."""
        if self._few is None:
            documents = self._db.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0]
            most = max(_FEW_DOCUMENTS, documents // _FEW_SHARE)
            question = f"SELECT count(*) FROM (SELECT 1 FROM documents WHERE {self._where} LIMIT :most)"  # noqa: S608
            self._few = self._db.execute(question, {**self._values, "most": most}).fetchone()[0] < most
        return self._few

    def every(self) -> list[int]:
        """The ids of all chunks that fit, rising."""
        if self._every is None:
            question = (
                "SELECT json_group_array(chunks.id) FROM documents"  # noqa: S608 - only texts of ours
                f" CROSS JOIN chunks ON chunks.content = documents.content WHERE {self._where}"
            )
            self._every = sorted(set(_numbers.decode(self._db.execute(question, self._values).fetchone()[0])))
        return self._every

    def of(self, chunks: Sequence[int]) -> set[int]:
        """Those of these chunks that fit."""
        question = (
            "SELECT json_group_array(chunks.id) FROM json_each(:chunks) AS asked CROSS JOIN chunks"  # noqa: S608
            " ON chunks.id = asked.value WHERE EXISTS (SELECT 1 FROM documents"
            f" WHERE documents.content = chunks.content AND {self._where})"
        )
        values = {**self._values, "chunks": as_json(chunks)}
        return set(_numbers.decode(self._db.execute(question, values).fetchone()[0]))


def as_json(numbers: Sequence[int]) -> str:
    """For `json_each`."""
    return msgspec.json.encode(numbers).decode()
