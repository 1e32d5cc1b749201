"""Chunks: the passages that are searched, and the words in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_agent.store.columns import slices
from samovar_agent.store.contents import renew_words
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter, condition
from samovar_agent.store.word_search import WordSearch

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store


_MERGED_PAGES = 500
"""Of the index of words, in one transaction; others wait for the writer meanwhile, some milliseconds."""
_RENEWED = 300
"""Chunks that are looked through in one transaction, likewise."""


class ChunkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passage.

    - content: that it is a part of. - ordinal: from 0, in the order of the text. - start, end: its characters there.
    - title: the document's. - heading: of all levels above it; may be empty. - page: from 1; None without pages.
    - tokens: as the embedding model counts them. - sha256: of title, heading and text.
    """

    id: int
    content: int
    ordinal: int
    page: int | None
    start: int
    end: int
    tokens: int
    sha256: bytes
    title: str
    heading: str
    text: str


_CHUNKS = (
    'SELECT chunks.id, chunks.content, chunks.ordinal, chunks.page, chunks.start, chunks."end", chunks.tokens,'
    " chunks.sha256, contents.title, chunk_texts.heading, chunk_texts.text FROM chunks"
    " JOIN chunk_texts ON chunk_texts.chunk = chunks.id JOIN contents ON contents.id = chunks.content"
)


class Chunks:
    """The tables `chunks` and `chunk_texts`, and the index of words."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._search = WordSearch()

    async def words(
        self,
        query: str,
        collections: Sequence[int] | None = None,
        filters: DocumentFilter = EVERY_DOCUMENT,
        limit: int = 50,
    ) -> list[tuple[int, float]]:
        """The chunks that have words of the query, and their scores (bm25, more is better), the best first.

        - query: any text. - collections: None for all. - filters: which documents count. - limit: at most so many.
        """
        return await self._store.read_filtered(
            collections, filters, lambda db, fitting: self._search.search(db, query, fitting, limit)
        )

    async def get(self, ids: Sequence[int]) -> list[ChunkRow]:
        """These chunks in this order; those that are gone are left out."""

        def find(db: Database) -> list[ChunkRow]:
            found: dict[int, ChunkRow] = {}
            for marks, some in slices(ids):
                question = f"{_CHUNKS} WHERE chunks.id IN ({marks})"
                found.update((row["id"], _row(row)) for row in db.query(question, some))
            return [found[id_] for id_ in ids if id_ in found]

        return await self._store.read(find)

    async def of_content(self, content: int, first: int = 0, last: int | None = None) -> list[ChunkRow]:
        """The chunks of a content in order. - first, last: ordinals, both included; None for the last there is."""
        question = f"{_CHUNKS} WHERE chunks.content = ? AND chunks.ordinal BETWEEN ? AND ? ORDER BY chunks.ordinal"
        values = [content, first, 2**62 if last is None else last]
        return await self._store.read(lambda db: [_row(row) for row in db.query(question, values)])

    async def text(self, content: int) -> str:
        """The whole text, each character where it was.

        What no chunk holds was white space: a space here, or as many line breaks where it was more.
        """
        pieces: list[str] = []
        length = 0
        for chunk in await self.of_content(content):
            gap = chunk.start - length
            pieces.append(" " if gap == 1 else "\n" * gap)
            pieces.append(chunk.text[max(0, length - chunk.start) :])
            length = max(length, chunk.end)
        return "".join(pieces)

    async def ids(
        self, collections: Sequence[int] | None = None, filters: DocumentFilter = EVERY_DOCUMENT
    ) -> list[int]:
        """The ids of all chunks of these documents, ascending: what a search for vectors may find."""
        where, values = condition(collections, filters)
        question = (
            "SELECT id FROM chunks WHERE content IN"  # noqa: S608 - only texts of ours
            f" (SELECT documents.content FROM documents WHERE {where}) ORDER BY id"
        )
        return await self._store.read(lambda db: [row[0] for row in db.execute(question, values)])

    async def check_words(self) -> None:
        """Compare the index of words with the texts, all of them. Raises `internal` where they differ."""
        await self._store.run(
            lambda db: db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('integrity-check', 1)")
        )

    async def merge_words(self) -> bool:
        """Do a little of what was put off while texts came in; False where nothing is left to do.

        The index has a piece for each large transaction, and every search looks into all of them.
        """

        def merge(db: Database) -> bool:
            before = db.conn.total_changes
            db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('merge', ?)", [_MERGED_PAGES])
            return db.conn.total_changes - before > 1

        return await self._store.run(merge, rearranges=lambda _: False)

    async def renew_words(self) -> bool:
        """Put some texts into the index of words anew that an older program put there; False where none are left."""
        return await self._store.run(lambda db: renew_words(db, _RENEWED), rearranges=lambda _: False)

    async def rebuild_words(self) -> None:
        """Make the index of words anew from the texts; nothing else is written meanwhile."""
        await self._store.run(lambda db: db.execute("INSERT INTO chunk_words (chunk_words) VALUES ('rebuild')"))


def _row(row: dict[str, Any]) -> ChunkRow:
    return ChunkRow(**row)
