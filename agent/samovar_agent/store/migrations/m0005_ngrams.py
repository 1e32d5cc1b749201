"""Texts of scripts without spaces, in pieces that the index of words can find."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Version 4 becomes version 5."""
    # A row is what the index of words has instead of a chunk's texts, where one of them is of such a script; NULL for
    # what stays as it is. Stored, since what is taken out of the index must be exactly what was put in, also by a
    # program that would cut otherwise.
    db.execute(
        """
        CREATE TABLE chunk_ngrams (
            chunk INTEGER PRIMARY KEY NOT NULL REFERENCES chunks (id),
            title TEXT,
            heading TEXT,
            text TEXT
        )
        """
    )
    db.execute(
        """
        CREATE TRIGGER chunk_ngrams_fixed BEFORE UPDATE ON chunk_ngrams BEGIN
            SELECT RAISE(ABORT, 'chunk_ngrams never change');
        END
        """
    )
    # One row, or none once all is done: chunks up to `last` were stored before this, and those after `after` are still
    # to be looked through for such texts.
    db.execute("CREATE TABLE chunk_ngrams_due (after INTEGER NOT NULL, last INTEGER NOT NULL)")
    db.execute("INSERT INTO chunk_ngrams_due (after, last) SELECT 0, max(id) FROM chunks HAVING max(id) IS NOT NULL")
    db.execute("DROP VIEW chunk_entries")
    db.execute(
        """
        CREATE VIEW chunk_entries AS
            SELECT chunk_texts.chunk AS id, coalesce(chunk_ngrams.title, contents.title) AS title,
                coalesce(chunk_ngrams.heading, chunk_texts.heading) AS heading,
                coalesce(chunk_ngrams.text, chunk_texts.text) AS text
            FROM chunk_texts
            JOIN chunks ON chunks.id = chunk_texts.chunk
            JOIN contents ON contents.id = chunks.content
            LEFT JOIN chunk_ngrams ON chunk_ngrams.chunk = chunk_texts.chunk
        """
    )
