"""Finds chunks by the words in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from samovar_agent.store.fitting import Fitting, as_json
from samovar_agent.store.ngrams import is_concerned, parts, query_pieces
from samovar_agent.store.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from sqlite_utils import Database

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 64
"""Of one query; whoever pastes a page to find more like it gets its first lines."""
_LONGEST_WORD = 100
_SMALL = 10_000
"""Chunks, up to which every one that has a word is scored."""
_SCORED = 5_000
"""In more chunks than those, the rarest words find so many; the others only decide which of them are best."""
_MOST_SCORED = 10_000
"""Chunks, of those that have a word that is in more of them: what came last, and what has it in its title or heading.
Such a word says next to nothing, and to score a million chunks by it takes a second."""
_LOOKED_AT = 40_000
"""Entries of the index; words that are in still more chunks are left out: they cost the most and say the least."""
_AHEAD = 5
"""So many times as many chunks as were asked for are scored by all words, and compared with the filter."""
_REMEMBERED = 10_000
"""Words of which it is known in how many chunks they are."""
_GROWN = 1.1

# Title and heading weigh more than text: they say what it is about.
_SCORE = "-bm25(chunk_words, 2.0, 1.5, 1.0)"

Found = list[tuple[int, float]]

_numbers = msgspec.json.Decoder(list[int])
_scores = msgspec.json.Decoder(list[float])


class WordSearch:
    """Searches the index of words; remembers how common words are. Used from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def search(
        self,
        db: Database,
        query: str,
        fitting: Fitting,
        limit: int,
    ) -> Found:
        """See `Chunks.words`."""
        words = _words(query)
        if not words or limit < 1:
            return []
        size = int(db.execute("SELECT coalesce(max(id), 0) FROM chunks").fetchone()[0])
        if size <= _SMALL:
            return _best(db, words, words, fitting, limit)
        counts = {word: self._count(db, word, size) for word in words}
        present = sorted((word for word in words if counts[word]), key=lambda word: counts[word])
        if not present:
            return []
        if fitting.few:
            words = _first(present, counts, _LOOKED_AT)
            found = _of_these(db, words, fitting.every(), limit)
            if len(found) < limit and len(words) < len(present):
                # What is common everywhere may be all that a small collection has of the query.
                found = _of_these(db, present, fitting.every(), limit)
            return found
        words = _first(present, counts, _LOOKED_AT)
        others = [word for word in present if word != present[0]]
        if counts[present[0]] > _SCORED and others:
            # All of them are common: what has two of them is better than what has one, and far less.
            found = _best(db, [present[0], others[0]], words, fitting, limit, joined=True)
            if len(found) == limit:
                return found
        return _best(db, _first(present, counts, _SCORED), words, fitting, limit)

    def _count(self, db: Database, word: str, size: int) -> int:
        """In about how many chunks the word is; `_LOOKED_AT` + 1 stands for all that is more."""
        known = self._known.get(word)
        if known is not None and size <= known[1] * _GROWN:
            return known[0]
        count = int(
            db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM chunk_words WHERE chunk_words MATCH ? LIMIT ?)",
                [_expression([word]), _LOOKED_AT + 1],
            ).fetchone()[0]
        )
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known[word] = (count, size)
        return count


def _words(query: str) -> list[str]:
    """The words in their order, without stop words unless there are no others; those repeated come again.

    Only letters and digits are left, so nothing is syntax to FTS5, but for the * of `ngrams.query_pieces`.
    """
    # Composed, so that an accent is no separator; the index itself reads both ways of writing alike.
    composed = unicodedata.normalize("NFC", query)
    words: list[str] = []
    for part, is_run in parts(composed) if is_concerned(composed) else [(composed, False)]:
        found = query_pieces(part) if is_run else _WORD.findall(part)
        words += [word[:_LONGEST_WORD].lower() for word in found]
    return [word for word in words if word not in STOP_WORDS][:_MOST_WORDS] or words[:_MOST_WORDS]


def _first(words: Sequence[str], counts: Mapping[str, int], most: int) -> list[str]:
    """The first words, up to `most` entries of the index and one word at least."""
    chosen: list[str] = []
    entries = 0
    for word in words:
        entries += counts[word]
        if chosen and entries > most:
            break
        chosen.append(word)
    return chosen


def _expression(words: Sequence[str], between: str = " OR ") -> str:
    return between.join(f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"' for word in words)


def _best(
    db: Database, rare: list[str], words: list[str], fitting: Fitting, limit: int, *, joined: bool = False
) -> Found:
    """The best chunks of those that have `rare` words, by all words. - joined: all of the rare words."""
    reach = limit * _AHEAD
    ranked = _ranked(db, rare, reach, joined)
    complete = len(ranked) < min(reach, _MOST_SCORED)
    if (others := _without(words, rare)) and ranked:
        scores = dict(ranked)
        for chunk, score in _of_these(db, others, list(scores), reach):
            scores[chunk] += score
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    fits = fitting.of([chunk for chunk, _ in ranked])
    found = [one for one in ranked if one[0] in fits]
    if len(found) < limit and not complete and not joined:
        return _of_these(db, words, fitting.every(), limit)
    return found[:limit]


def _without(words: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The words that are left when each of `taken` is taken once."""
    left = list(words)
    for word in taken:
        if word in left:
            left.remove(word)
    return left


def _ranked(db: Database, words: Sequence[str], limit: int, joined: bool) -> Found:
    """The best chunks of all by these words. - joined: of those that have all of them."""
    expression = _expression(words, " AND " if joined else " OR ")
    last = (
        f"SELECT rowid AS id, {_SCORE} AS score FROM chunk_words WHERE chunk_words MATCH :words"  # noqa: S608
        " ORDER BY rowid DESC LIMIT :most"
    )
    ranked = _rows(
        db,
        f"SELECT id, score FROM ({last}) ORDER BY score DESC, id LIMIT :limit",  # noqa: S608
        {"words": expression, "limit": limit, "most": _MOST_SCORED},
    )
    if len(words) > 1 or len(ranked) < min(limit, _MOST_SCORED):
        return ranked
    both = dict(ranked) | dict(_of_these(db, words, _titled(db, expression), limit))
    return sorted(both.items(), key=lambda item: (-item[1], item[0]))[:limit]


def _titled(db: Database, expression: str) -> list[int]:
    """Chunks that have it in their title or heading, those that came last."""
    question = (
        "SELECT json_group_array(id) FROM (SELECT rowid AS id FROM chunk_words WHERE chunk_words MATCH :words"
        " ORDER BY rowid DESC LIMIT :most)"
    )
    values = {"words": f"{{title heading}} : ({expression})", "most": _MOST_SCORED}
    return _numbers.decode(db.execute(question, values).fetchone()[0])


def _of_these(db: Database, words: Sequence[str], chunks: Sequence[int], limit: int) -> Found:
    """The best of these chunks by these words."""
    if not chunks:
        return []
    # The plus sign keeps SQLite from asking the index once for each of them.
    return _rows(
        db,
        f"SELECT rowid AS id, {_SCORE} AS score FROM chunk_words WHERE chunk_words MATCH :words"  # noqa: S608
        " AND rowid BETWEEN :low AND :high AND +rowid IN (SELECT value FROM json_each(:chunks))"
        " ORDER BY score DESC, id LIMIT :limit",
        {
            "words": _expression(words),
            "low": min(chunks),
            "high": max(chunks),
            "chunks": as_json(chunks),
            "limit": limit,
        },
    )


def _rows(db: Database, question: str, values: dict[str, str | int]) -> Found:
    # As one row: between two of them a thread of Python would wait for all others.
    both = f"SELECT json_group_array(id), json_group_array(score) FROM ({question})"  # noqa: S608 - texts of ours
    ids, scores = db.execute(both, values).fetchone()
    return list(zip(_numbers.decode(ids), _scores.decode(scores), strict=True))
