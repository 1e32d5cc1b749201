"""The vectors of all models, from the store and their indexes as one: whoever searches or adds need not know of both.

    search = VectorSearch(store, VectorIndexes(folder))
    await search.add(model, [(chunk, vector), ...])          # into the store, then into the index
    await search.nearest(model, query_vector, 100, collections=[1])
    await search.remove(gone)

The store is the truth. An index is opened when it is first needed, made equal to the store, and saved at the end; one
that is missing or damaged is made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from samovar_agent.documents.vector_index import Allowed, Rows, VectorIndex
from samovar_agent.documents.vector_index_state import Ids
from samovar_agent.documents.vector_indexes import VectorIndexes
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.fitting import Fitting
from samovar_agent.store.store import Store
from samovar_agent.store.vectors import RowsOf


class VectorSearch:
    """Used from the event loop's thread; everything that computes happens in others."""

    def __init__(self, store: Store, indexes: VectorIndexes) -> None:
        self._store, self._indexes = store, indexes
        self._open: dict[str, VectorIndex] = {}
        self._opening = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._came: list[int] = []

    async def add(self, model: str, vectors: Sequence[tuple[int, bytes]]) -> list[int]:
        """Store vectors of chunks; returns those whose chunks are still there. Raises `disk_full`, `bad_request`."""
        async with self._changing:
            stored = await self._store.vectors.put_vectors(model, vectors)
            wanted = set(stored)
            index = await self._index(model)
            if index is not None and stored:
                rows = [(chunk, vector) for chunk, vector in vectors if chunk in wanted]
                await asyncio.to_thread(_add, index, rows)
            return stored

    async def remove(self, chunks: Sequence[int]) -> None:
        """These chunks are gone from the store."""
        for index in self._open.values():
            await asyncio.to_thread(index.remove, chunks)

    def came(self, chunks: Sequence[int]) -> None:
        """These chunks were stored with their vectors. The next search has them."""
        self._came += chunks

    async def catch_up(self) -> None:
        """Vectors came into the store, or went, by another way, as when a collection is imported."""
        async with self._changing:  # what is added between the look at the store and the end would be taken out again
            for model, index in list(self._open.items()):
                ids = await self._store.vectors.ids(model)
                await self._store.vectors.with_rows(model, partial(index.catch_up, ids))

    async def nearest(
        self,
        model: str,
        query: bytes,
        limit: int,
        *,
        collections: Sequence[int] | None = None,
        filters: DocumentFilter = EVERY_DOCUMENT,
    ) -> list[tuple[int, float]]:
        """The chunks nearest to a vector, and how near, best first.

        - query: a vector of the model, as the engine gives it. - collections: None for all. - filters: which documents
        count. Empty where the model has no vectors yet.
        """
        index = await self._index(model)
        if index is None or len(query) != index.dimensions * 4:
            return []
        if self._came:
            await self._take_in()
        vector = np.frombuffer(query, dtype=np.float32)

        def search(rows_of: RowsOf, fitting: Fitting | None) -> list[tuple[int, float]]:
            allowed: Allowed | None = None
            if fitting is not None:
                allowed = fitting.every() if fitting.few else partial(_which_fit, fitting)
            return index.search(vector, limit, rows_of, allowed=allowed)

        return await self._store.vectors.with_filter(model, collections, filters, search)

    async def keep_only(self, models: Sequence[str]) -> None:
        """Forget what is kept of all other models."""
        for model in set(self._open) - set(models):
            del self._open[model]
        await asyncio.to_thread(self._indexes.keep_only, models)

    async def forget(self, model: str) -> None:
        """The store has no vectors of this model any more, and the next ones may have other dimensions."""
        async with self._changing, self._opening:
            self._open.pop(model, None)

    async def save(self) -> None:
        """Write the indexes that changed, so that the next start need not make them anew."""
        await asyncio.to_thread(self._indexes.save)

    async def _take_in(self) -> None:
        """Put what came into the indexes that are open; another one finds it in the store when it is opened."""
        async with self._changing:
            came, self._came = self._came, []
            for model, index in list(self._open.items()):
                rows = await self._store.vectors.with_rows(model, lambda rows_of: list(rows_of(came)))
                if rows:
                    await asyncio.to_thread(_add, index, rows)

    async def _index(self, model: str) -> VectorIndex | None:
        """The model's index, equal to the store; None while there are no vectors."""
        if (index := self._open.get(model)) is not None:
            return index
        async with self._opening:
            if (index := self._open.get(model)) is not None:
                return index
            state = await self._store.vectors.state(model)
            if not state.vectors:
                return None
            index = self._indexes.get(model, state.dimensions)
            await asyncio.to_thread(index.load)
            ids = await self._store.vectors.ids(model)
            await self._store.vectors.with_rows(model, lambda rows_of: index.catch_up(ids, rows_of))
            self._open[model] = index
            return index


def _which_fit(fitting: Fitting, ids: Ids) -> NDArray[np.bool_]:
    if fitting.passes is None:
        return np.isin(ids, np.fromiter(fitting.of(ids.tolist()), dtype=np.int64))
    passes = np.frombuffer(fitting.passes, dtype=np.bool_)
    return np.asarray(passes.take(ids, mode="clip") & (ids < len(passes)))


def _add(index: VectorIndex, rows: Rows) -> None:
    pairs = list(rows)
    vectors = np.frombuffer(b"".join([vector for _, vector in pairs]), dtype=np.float32)
    index.add([chunk for chunk, _ in pairs], vectors.reshape(len(pairs), index.dimensions))
