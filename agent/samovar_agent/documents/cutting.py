"""How documents are cut: by a model's own tokens, or by an estimate of them where no model is there.

chunks = stored_chunks(extracted, estimated_tokens, target=256)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from samovar_agent.documents.chunking import OVERLAP_TOKENS, TARGET_TOKENS, CountTokens, chunks
from samovar_agent.documents.chunking_tokens import estimated_tokens
from samovar_agent.documents.extracted import Extracted
from samovar_agent.store.columns import text_column
from samovar_agent.store.contents import NewChunk, chunk_digest

HEADING_SEPARATOR = " › "


class Cutter(Protocol):
    """How the documents of a collection are cut. - recipe: differs where the chunks would. - target: tokens a chunk."""

    @property
    def recipe(self) -> str:
        """See above."""

    @property
    def target(self) -> int:
        """See above."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""


@dataclass(frozen=True, slots=True)
class EstimatingCutter:
    """Cuts where no model is there to count. Since it asks nobody, the process that reads a file cuts it too."""

    recipe: str = f"estimated/{TARGET_TOKENS}"
    target: int = TARGET_TOKENS

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate; see `chunking_tokens.estimated_tokens`."""
        return estimated_tokens(texts)


def stored_chunks(extracted: Extracted, count_tokens: CountTokens, *, target: int) -> list[NewChunk]:
    """The chunks of a document, as they are stored."""
    overlap = min(OVERLAP_TOKENS, target // 4)
    title = text_column(extracted.title)
    headings: dict[tuple[str, ...], str] = {}
    stored: list[NewChunk] = []
    for chunk in chunks(extracted, count_tokens, target=target, overlap=overlap):
        if (heading := headings.get(chunk.headings)) is None:
            heading = headings[chunk.headings] = text_column(HEADING_SEPARATOR.join(chunk.headings))
        text = text_column(chunk.text)
        stored.append(
            NewChunk(
                text=text,
                start=chunk.start,
                end=chunk.end,
                tokens=chunk.tokens,
                heading=heading,
                page=chunk.page,
                sha256=chunk_digest(title, heading, text),
            )
        )
    return stored
