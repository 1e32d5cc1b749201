"""Finds chunks by the words in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from samovar_agent.store.filters import DocumentFilter, Values, condition
from samovar_agent.store.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from sqlite_utils import Database

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 64
"""Of one query; whoever pastes a page to find more like it gets its first lines."""
_LONGEST_WORD = 100
_MOST_ROWS = 20_000
"""A query may touch so many chunks. Words that are in more are left out where rarer ones are there: they would cost the
most and say the least."""
_AHEAD = 20
"""So many times as many chunks as were asked for are looked at before the filter is applied first."""
_REMEMBERED = 10_000
"""Common words of which it is known that they are."""

# Title and heading weigh more than text: they say what it is about.
_SCORE = "-bm25(chunk_words, 2.0, 1.5, 1.0)"

Found = list[tuple[int, float]]


class WordSearch:
    """Searches the index of words; remembers which words are common. Used from several threads."""

    def __init__(self) -> None:
        self._common: dict[str, int] = {}

    def search(
        self,
        db: Database,
        query: str,
        collections: Sequence[int] | None,
        filters: DocumentFilter,
        limit: int,
    ) -> Found:
        """See `Chunks.words`."""
        words = _words(query)
        if not words or limit < 1:
            return []
        rare, words = self._rare(db, words)
        if not rare:
            return []
        where, values = condition(collections, filters)
        found, complete = _best_that_fit(db, rare, where, values, limit)
        if not complete:
            found = _fitting(db, rare, where, values, limit)
        if len(found) < limit and len(rare) < len(words) and _are_few(db, where, values):
            # What is common everywhere may be all that a small collection has of the query.
            found = _fitting(db, words, where, values, limit)
        return found

    def _rare(self, db: Database, words: list[str]) -> tuple[list[str], list[str]]:
        """The rarest words, up to `_MOST_ROWS` chunks and one at least; and all that are anywhere."""
        size = int(db.execute("SELECT coalesce(max(id), 0) FROM chunks").fetchone()[0])
        if size <= _MOST_ROWS:
            return words, words
        if len(self._common) > _REMEMBERED:
            self._common.clear()
        counts = {word: self._count(db, word, size) for word in words}
        chosen: list[str] = []
        rows = 0
        present = sorted((word for word in words if counts[word]), key=lambda word: counts[word])
        for word in present:
            rows += counts[word]
            if chosen and rows > _MOST_ROWS:
                break
            chosen.append(word)
        return chosen, present

    def _count(self, db: Database, word: str, size: int) -> int:
        """In how many chunks the word is; `_MOST_ROWS` + 1 stands for all that is more."""
        if self._common.get(word, 0) * 2 > size:  # still as common, unless there is twice as much to search
            return _MOST_ROWS + 1
        count = int(
            db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM chunk_words WHERE chunk_words MATCH ? LIMIT ?)",
                [_expression([word]), _MOST_ROWS + 1],
            ).fetchone()[0]
        )
        if count > _MOST_ROWS:
            self._common[word] = size
        return count


def _words(query: str) -> list[str]:
    """The words in their order, without stop words unless there are no others; those repeated come again.

    Only letters and digits are left, so nothing is syntax to FTS5.
    """
    # Composed, so that an accent is no separator; the index itself reads both ways of writing alike.
    composed = unicodedata.normalize("NFC", query)
    words = [match.group()[:_LONGEST_WORD].lower() for match in _WORD.finditer(composed)]
    return [word for word in words if word not in STOP_WORDS][:_MOST_WORDS] or words[:_MOST_WORDS]


def _expression(words: Sequence[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)


def _best_that_fit(db: Database, words: Sequence[str], where: str, values: Values, limit: int) -> tuple[Found, bool]:
    """The best chunks of all, less those that do not fit; and whether these are all that may be had."""
    reach = limit * _AHEAD
    ranked = db.execute(
        f"SELECT rowid AS id, {_SCORE} AS score FROM chunk_words WHERE chunk_words MATCH ?"  # noqa: S608
        " ORDER BY score DESC, id LIMIT ?",
        [_expression(words), reach],
    ).fetchall()
    fits = (
        "SELECT 1 FROM chunks JOIN documents ON documents.content = chunks.content"  # noqa: S608 - only texts of ours
        f" WHERE chunks.id = :chunk AND {where} LIMIT 1"
    )
    found: Found = []
    for id_, score in ranked:
        if db.execute(fits, {**values, "chunk": id_}).fetchone():
            found.append((id_, score))
            if len(found) == limit:
                return found, True
    return found, len(ranked) < reach


def _fitting(db: Database, words: Sequence[str], where: str, values: Values, limit: int) -> Found:
    """The best of the chunks that fit: which those are is found first, which pays where they are few."""
    # The plus sign keeps SQLite from asking the index once for each of them.
    question = (
        f"SELECT rowid AS id, {_SCORE} AS score FROM chunk_words WHERE chunk_words MATCH :words"  # noqa: S608
        f" AND +rowid IN (SELECT chunks.id {_fitting_chunks(where)}) ORDER BY score DESC, id LIMIT :limit"
    )
    rows = db.execute(question, {**values, "words": _expression(words), "limit": limit})
    return [(row[0], row[1]) for row in rows]


def _are_few(db: Database, where: str, values: Values) -> bool:
    """Whether so few chunks fit that looking at each of them is cheap."""
    question = f"SELECT count(*) FROM (SELECT 1 {_fitting_chunks(where)} LIMIT :most)"  # noqa: S608 - texts of ours
    count: int = db.execute(question, {**values, "most": _MOST_ROWS + 1}).fetchone()[0]
    return count <= _MOST_ROWS


def _fitting_chunks(where: str) -> str:
    return f"FROM documents JOIN chunks ON chunks.content = documents.content WHERE {where}"
