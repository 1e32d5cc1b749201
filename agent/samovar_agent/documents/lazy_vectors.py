"""The search by vectors, which is loaded when it is first needed: numpy takes a tenth of a second and 20 MB.

vectors = LazyVectorSearch(store, places.data / "vectors")
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.store import Store

if TYPE_CHECKING:
    from samovar_agent.documents.vector_search import VectorSearch


class LazyVectorSearch:
    """`vector_search.VectorSearch`, once somebody asks. - folder: of the indexes, which are derived."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._search: VectorSearch | None = None
        self._loading = asyncio.Lock()

    async def add(self, model: str, vectors: Sequence[tuple[int, bytes]]) -> list[int]:
        """See `VectorSearch.add`."""
        return await (await self._loaded()).add(model, vectors)

    def came(self, chunks: Sequence[int]) -> None:
        """See `VectorSearch.came`."""
        if self._search is not None:  # an index that is not open finds them in the store when it is opened
            self._search.came(chunks)

    async def remove(self, chunks: Sequence[int]) -> None:
        """See `VectorSearch.remove`."""
        if (
            chunks and self._search is not None
        ):  # an index that is not open is made equal to the store when it is opened
            await self._search.remove(chunks)

    async def catch_up(self) -> None:
        """See `VectorSearch.catch_up`."""
        if self._search is not None:  # as above
            await self._search.catch_up()

    async def nearest(
        self,
        model: str,
        query: bytes,
        limit: int,
        *,
        collections: Sequence[int] | None = None,
        filters: DocumentFilter = EVERY_DOCUMENT,
    ) -> list[tuple[int, float]]:
        """See `VectorSearch.nearest`."""
        return await (await self._loaded()).nearest(model, query, limit, collections=collections, filters=filters)

    async def keep_only(self, models: Sequence[str]) -> None:
        """See `VectorIndexes.keep_only`."""
        if self._search is not None:
            await self._search.keep_only(models)

    async def forget(self, model: str) -> None:
        """See `VectorSearch.forget`."""
        if self._search is not None:
            await self._search.forget(model)

    async def save(self) -> None:
        """See `VectorSearch.save`."""
        if self._search is not None:
            await self._search.save()

    async def _loaded(self) -> VectorSearch:
        async with self._loading:
            if self._search is None:
                self._search = await asyncio.to_thread(self._load)
            return self._search

    def _load(self) -> VectorSearch:
        from samovar_agent.documents.vector_indexes import VectorIndexes
        from samovar_agent.documents.vector_search import VectorSearch

        return VectorSearch(self._store, VectorIndexes(self._folder))
