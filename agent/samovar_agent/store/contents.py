"""What files say, stored once however many documents are the same file. Functions for the store's own thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from samovar_agent.store.columns import slices, text_column
from samovar_agent.store.ngrams import is_concerned, pieces

if TYPE_CHECKING:
    from sqlite_utils import Database


IMPORTED = "imported:"
"""How the recipe of a content begins that came with an imported collection. Nobody here has read its file, and what a
stranger says that a file says, or how its vectors look, must not become the text of that file in other collections."""


_LEARN = "INSERT INTO chunk_words (rowid, title, heading, text) SELECT id, title, heading, text FROM chunk_entries"
_FORGET = (
    "INSERT INTO chunk_words (chunk_words, rowid, title, heading, text)"
    " SELECT 'delete', id, title, heading, text FROM chunk_entries"
)
_WORDS_IN_MEMORY = 32 * 1024 * 1024
"""Bytes."""


class NewChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage to store.

    - start, end: its characters in the document's text. - tokens: as the embedding model counts them.
    - heading: of all levels above it; may be empty. - page: from 1; None where the format has none.
    - sha256: see `chunk_digest`; None to have it computed.
    """

    text: str
    start: int
    end: int
    tokens: int
    heading: str = ""
    page: int | None = None
    sha256: bytes | None = None


class Content(NamedTuple):
    """What a file says, without its text. - sha256: of the file. - recipe: what cut it into chunks."""

    sha256: str
    recipe: str
    title: str
    media_type: str
    pages: int | None


def find_content(db: Database, sha256: str, recipe: str) -> tuple[int, Content] | None:
    """The content of a file, and its id, where it is known already."""
    row = db.execute(
        "SELECT id, sha256, recipe, title, media_type, pages FROM contents WHERE sha256 = ? AND recipe = ?",
        [sha256, recipe],
    ).fetchone()
    return (row[0], Content(*row[1:])) if row else None


def add_content(db: Database, content: Content, chunks: Sequence[NewChunk]) -> tuple[int, list[int], list[int]]:
    """Store a content with its chunks; returns its id and theirs. They are searched once `add_words` was called.

    A chunk that says what another says, under the same title and heading, gets the vectors of that one; the third that
    is returned are the ids of those that did.
    """
    id_ = add_empty(db, content)
    ids = add_chunks(db, id_, content, chunks)
    return id_, ids, _copy_vectors(db, id_, ids) if ids else []


def add_empty(db: Database, content: Content) -> int:
    """Store a content whose chunks come later; returns its id."""
    values = [content.sha256, content.recipe, content.title, content.media_type, content.pages]
    id_ = db.execute(
        "INSERT INTO contents (sha256, recipe, title, media_type, pages) VALUES (?, ?, ?, ?, ?)", values
    ).lastrowid
    assert id_ is not None
    return id_


def add_chunks(db: Database, id_: int, content: Content, chunks: Sequence[NewChunk], *, ordinal: int = 0) -> list[int]:
    """Store chunks of a content, which are searched once `add_words` was called; returns their ids, one after another.

    - id_: the content's. - ordinal: of the first of them.
    """
    first = 1 + int(db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'chunks'").fetchone()[0])
    ids = list(range(first, first + len(chunks)))
    texts = [(text_column(chunk.heading), text_column(chunk.text)) for chunk in chunks]
    db.conn.executemany(
        'INSERT INTO chunks (id, content, ordinal, page, start, "end", tokens, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        [
            (
                *(id_chunk, id_, number, chunk.page, chunk.start, chunk.end, chunk.tokens),
                chunk.sha256 or _digest(content, *text),
            )
            for number, (id_chunk, chunk, text) in enumerate(zip(ids, chunks, texts, strict=True), ordinal)
        ],
    )
    db.conn.executemany(
        "INSERT INTO chunk_texts (chunk, heading, text) VALUES (?, ?, ?)",
        [(chunk, *text) for chunk, text in zip(ids, texts, strict=True)],
    )
    add_ngrams(db, [(chunk, content.title, *text) for chunk, text in zip(ids, texts, strict=True)])
    return ids


def add_ngrams(db: Database, chunks: Iterable[tuple[int, str, str, str]]) -> None:
    """Store what the index of words gets instead of texts that it could not find words in.

    - chunks: ids, titles, headings and texts.
    """
    cut = [
        (chunk, *(pieces(text) if is_concerned(text) else None for text in texts))
        for chunk, *texts in chunks
        if any(map(is_concerned, texts))
    ]
    if cut:
        db.conn.executemany("INSERT INTO chunk_ngrams (chunk, title, heading, text) VALUES (?, ?, ?, ?)", cut)


def renew_words(db: Database, most: int) -> bool:
    """Look through some chunks that were stored before there were `chunk_ngrams`; False where none are left."""
    due = db.execute("SELECT after, last FROM chunk_ngrams_due").fetchone()
    if due is None:
        return False
    chunks = db.execute(
        "SELECT chunks.id, contents.title, chunk_texts.heading, chunk_texts.text FROM chunks"
        " JOIN chunk_texts ON chunk_texts.chunk = chunks.id JOIN contents ON contents.id = chunks.content"
        " WHERE chunks.id > ? AND chunks.id <= ? ORDER BY chunks.id LIMIT ?",
        [*due, most],
    ).fetchall()
    if not chunks:
        db.execute("DELETE FROM chunk_ngrams_due")
        return False
    db.execute("UPDATE chunk_ngrams_due SET after = ?", [chunks[-1][0]])
    concerned = [chunk[0] for chunk in chunks if any(map(is_concerned, chunk[1:]))]
    for marks, ids in slices(concerned):
        db.execute(f"{_FORGET} WHERE id IN ({marks})", ids)
    add_ngrams(db, chunks)
    for marks, ids in slices(concerned):
        db.execute(f"{_LEARN} WHERE id IN ({marks})", ids)
    return True


def set_up_words(db: Database) -> None:
    """Let the index of words collect in memory what one transaction adds, as long as that is no more than usual.

    Each time it writes, it sorts all words that it has; half as often takes a seventh less time for all of storing.
    """
    known = db.execute("SELECT v FROM chunk_words_config WHERE k = 'hashsize'").fetchone()
    if known is None or known[0] != _WORDS_IN_MEMORY:
        with db.atomic():
            db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('hashsize', ?)", [_WORDS_IN_MEMORY])


def add_words(db: Database, chunks: Sequence[int]) -> None:
    """Make chunks searchable that `add_content` has stored. - chunks: ids, rising, and nothing between them.

    Best once in a transaction and at its end: after this a statement like an UPDATE has FTS5 write what it has
    collected in memory, and for each small file that takes longer than all else. One statement for all of them, since
    the threads of Python would wait for each other at every row.
    """
    if chunks:
        db.execute(
            f"{_LEARN} WHERE id BETWEEN ? AND ?",
            [chunks[0], chunks[-1]],
        )


def chunk_digest(title: str, heading: str, text: str) -> bytes:
    """Equal for chunks of which the same vector is made."""
    return hashlib.sha256(f"{title}\0{heading}\0{text}".encode()).digest()


def _copy_vectors(db: Database, content: int, fresh: Sequence[int]) -> list[int]:
    # Only the oldest chunk of the same words is looked at: a page of small print may be in ten thousand documents.
    if not db.execute("SELECT 1 FROM chunk_vectors LIMIT 1").fetchone():
        return []
    copied = db.execute(
        "INSERT INTO chunk_vectors (chunk, model, vector, sha256)"
        " SELECT fresh.id, known.model, known.vector, known.sha256 FROM chunks AS fresh"
        " JOIN chunk_vectors AS known ON known.chunk ="
        " (SELECT min(twin.chunk) FROM chunk_vectors AS twin WHERE twin.sha256 = fresh.sha256)"
        " WHERE fresh.content = ? AND known.chunk < ?",
        [content, fresh[0]],
    ).rowcount
    if not copied:
        return []
    found = db.execute(
        "SELECT DISTINCT chunk FROM chunk_vectors WHERE chunk BETWEEN ? AND ?", [fresh[0], fresh[-1]]
    ).fetchall()
    return [row[0] for row in found]


def remove_unused(db: Database, content: int) -> list[int]:
    """Remove a content that is no document's any more; returns the ids of its chunks, which are gone."""
    if db.execute("SELECT 1 FROM documents WHERE content = ? LIMIT 1", [content]).fetchone():
        return []
    gone = [int(row[0]) for row in db.execute("SELECT id FROM chunks WHERE content = ?", [content])]
    db.execute(
        f"{_FORGET} WHERE id IN (SELECT id FROM chunks WHERE content = ?)",  # noqa: S608
        [content],
    )
    db.execute("DELETE FROM chunk_ngrams WHERE chunk IN (SELECT id FROM chunks WHERE content = ?)", [content])
    db.execute("DELETE FROM chunk_texts WHERE chunk IN (SELECT id FROM chunks WHERE content = ?)", [content])
    db.execute("DELETE FROM chunks WHERE content = ?", [content])
    db.execute("DELETE FROM contents WHERE id = ?", [content])
    return gone


def _digest(content: Content, heading: str, text: str) -> bytes:
    # Of an import other than of the same words read here, so that the vectors of one never become those of the other.
    whose = f"{content.recipe}\0" if content.recipe.startswith(IMPORTED) else ""
    return chunk_digest(whose + content.title, heading, text)
