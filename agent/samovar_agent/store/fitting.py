"""Which chunks are of documents that a search looks at: remembered, since people filter by the same again and again.

Each question is one statement with one row as its answer, since the threads of Python would wait for each other at
every row.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter, condition

if TYPE_CHECKING:
    from sqlite_utils import Database

_FEW_DOCUMENTS = 1000
_FEW_SHARE = 10
"""One document in so many is few, too."""
_REMEMBERED = 16
"""Filters; one that many of a million chunks pass takes a megabyte."""
_Key = tuple[tuple[int, ...] | None, DocumentFilter]
_numbers = msgspec.json.Decoder(list[int])


@dataclass(slots=True)
class _Known:
    """- newest: the greatest chunk id when this was found. - every: all that fit, rising, where they are few.

    - passes: by chunk id, where they are many and this was asked before.
    """

    revision: int
    newest: int = 0
    every: list[int] | None = None
    passes: bytearray | None = None


class _Entry:
    """A filter. - lock: held by who finds out what fits."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: _Known | None = None


class Fittings:
    """What was found out about filters. Used from several threads; who asks for the same meanwhile waits for it."""

    def __init__(self) -> None:
        self._entries: dict[_Key, _Entry] = {}
        self._lock = threading.Lock()

    def of(self, db: Database, revision: int, collections: Sequence[int] | None, filters: DocumentFilter) -> Fitting:
        """What fits. - revision: of the store, from before `db` began to read; see `Store.revision`."""
        key = (None if collections is None else tuple(sorted(set(collections))), filters)
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry  # as the last one that was used
            if len(self._entries) > _REMEMBERED:
                del self._entries[next(iter(self._entries))]
        with entry.lock:
            known = entry.known if entry.known is not None and entry.known.revision == revision else None
            entry.known = Fitting(db, *key).found(revision, known)
            return Fitting(db, *key, entry.known)


class Fitting:
    """What fits a filter. - collections: None for all."""

    def __init__(
        self,
        db: Database,
        collections: Sequence[int] | None,
        filters: DocumentFilter,
        known: _Known | None = None,
    ) -> None:
        self._db = db
        self._where, self._values = condition(collections, filters)
        self._filtered = collections is not None or filters != EVERY_DOCUMENT
        self._known = known or _Known(0)

    @property
    def few(self) -> bool:
        """Whether `every` costs little."""
        return self._known.every is not None

    @property
    def passes(self) -> bytearray | None:
        """By chunk id, 1 where it fits; those beyond its end do not. None where that is not known."""
        return self._known.passes

    def every(self) -> list[int]:
        """The ids of all chunks that fit, rising."""
        return self._after(0) if self._known.every is None else self._known.every

    def of(self, chunks: Sequence[int]) -> set[int]:
        """Those of these chunks that fit."""
        passes = self._known.passes
        if passes is not None:
            return {chunk for chunk in chunks if chunk < len(passes) and passes[chunk]}
        question = (
            "SELECT json_group_array(chunks.id) FROM json_each(:chunks) AS asked CROSS JOIN chunks"  # noqa: S608
            " ON chunks.id = asked.value WHERE EXISTS (SELECT 1 FROM documents"
            f" WHERE documents.content = chunks.content AND {self._where})"
        )
        values = {**self._values, "chunks": as_json(chunks)}
        return set(_numbers.decode(self._db.execute(question, values).fetchone()[0]))

    def found(self, revision: int, before: _Known | None) -> _Known:
        """What is worth remembering. - before: what was remembered; chunks may only have been added since."""
        newest = int(self._db.execute("SELECT coalesce(max(id), 0) FROM chunks").fetchone()[0])
        if before is None:
            return _Known(revision, newest, every=self._after(0) if self._filtered and self._are_few() else None)
        if before.every is not None:
            more = self._after(before.newest) if newest > before.newest else []
            if len(before.every) + len(more) > 2 * max(_FEW_DOCUMENTS, newest // _FEW_SHARE):  # no more so few
                return _Known(revision, newest)
            return _Known(revision, newest, every=before.every + more if more else before.every)
        if before.passes is None:
            passes, after = bytearray(), 0
        else:
            passes, after = before.passes, before.newest
        if newest > after or before.passes is None:
            passes = passes + bytes(newest + 1 - len(passes))
            for chunk in self._after(after):
                passes[chunk] = 1
        return _Known(revision, newest, passes=passes)

    def _are_few(self) -> bool:
        documents = int(self._db.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0])
        most = max(_FEW_DOCUMENTS, documents // _FEW_SHARE)
        question = f"SELECT count(*) FROM (SELECT 1 FROM documents WHERE {self._where} LIMIT :most)"  # noqa: S608
        return int(self._db.execute(question, {**self._values, "most": most}).fetchone()[0]) < most

    def _after(self, chunk: int) -> list[int]:
        """The ids of all that fit, from behind this one on."""
        if chunk:
            question = (
                "SELECT json_group_array(chunks.id) FROM chunks WHERE chunks.id > :after AND EXISTS"  # noqa: S608
                f" (SELECT 1 FROM documents WHERE documents.content = chunks.content AND {self._where})"
            )
        else:
            question = (
                "SELECT json_group_array(chunks.id) FROM documents"  # noqa: S608 - only texts of ours
                f" CROSS JOIN chunks ON chunks.content = documents.content WHERE {self._where}"
            )
        values = {**self._values, "after": chunk} if chunk else self._values
        return sorted(set(_numbers.decode(self._db.execute(question, values).fetchone()[0])))


def as_json(numbers: Sequence[int]) -> str:
    """For `json_each`."""
    return msgspec.json.encode(numbers).decode()
