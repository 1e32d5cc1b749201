"""Finds passages: by the words that are there and by what is meant, as one list.

    async for item in searching.search(DocsSearch(query="kettle"), client="cli"): ...   # progress, then the reply

Where no model is there to compare meanings with, words alone are searched by, and the reply says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec

from samovar_agent.documents.embedding_models import EmbeddingModels
from samovar_agent.documents.holdings import passage_info
from samovar_agent.documents.indexing import HEADING_SEPARATOR
from samovar_agent.documents.lazy_vectors import LazyVectorSearch
from samovar_agent.documents.retrieval import Found, distinct, passages, reranked
from samovar_agent.documents.retrieval_fusion import DEPTH, Scores, fused
from samovar_agent.documents.scope import why_nothing
from samovar_agent.engine.instances import Instances
from samovar_agent.models.library import Library
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.documents import DocumentRow
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import DocsSearchReply, EmbedReply, RerankReply
from samovar_protocol.requests import DocsSearch
from samovar_protocol.values import Progress

log = logging.getLogger("samovar.documents")

_RERANKED = 30
"""A reranking model reads each of them together with the query, which takes its time."""
_SPARE = 3
"""So many times as many chunks are looked at as passages are wanted: copies go, and neighbours become one."""
_QUERY_CHARACTERS = 4000
"""Of a query that are embedded; with words, `word_search` has limits of its own."""

_REPLACED = "Searched by words alone: {model} is another model than before, and the vectors are computed anew."


@dataclass(slots=True)
class _Course:
    """What one search has come to. - notes: what is missing."""

    embed_seconds: float = 0.0
    vectors: bool = False
    notes: list[str] = field(default_factory=list)
    reranked: str | None = None


class Searching:
    """Searches the store.

    - vectors: of all chunks. - models: make those of queries. - replaced: called where one of them now makes others.
    """

    def __init__(
        self,
        store: Store,
        library: Library,
        instances: Instances,
        models: EmbeddingModels,
        vectors: LazyVectorSearch,
        *,
        replaced: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._library, self._instances = store, library, instances
        self._models, self._vectors, self._replaced = models, vectors, replaced

    async def search(self, request: DocsSearch, *, client: str) -> AsyncGenerator[Progress | DocsSearchReply, None]:
        """Progress of loading models, then what was found. Raises `not_found` for a collection that is not there."""
        began = time.monotonic()
        collections = await self._collections(request.collections)
        course = _Course()
        found: Scores = []
        while True:
            async with aclosing(self._found(collections, request, course, client)) as finding:
                async for some in finding:
                    if isinstance(some, Progress):
                        yield some
                    else:
                        found = some
            now = await self._collections(request.collections)
            if course.vectors or _models(now) == _models(collections):
                break
            # Another model took over, and the vectors of the one before went: its own are all there.
            collections, course.notes = now, []
        if not course.vectors and not request.words_only:
            course.notes.insert(0, await self._why_words(collections))
        found = sorted(found, key=lambda one: (-one[1], one[0]))
        chunks, owners = await self._read(found[: max(_RERANKED, request.limit * _SPARE)], collections, request)
        if request.rerank is not False and chunks:
            async with aclosing(self._rerank(request, chunks, course, client)) as ranking:
                async for step in ranking:
                    if isinstance(step, Progress):
                        yield step
                    else:
                        chunks = step
        if not chunks:
            ids = [row.id for row in collections] if request.collections else None
            if nothing := await why_nothing(self._store, ids, request.filter):
                course.notes = [nothing]
        joined = passages(distinct(chunks, request.limit * _SPARE))[: request.limit]
        names = {row.id: row.name for row in collections}
        yield DocsSearchReply(
            passages=[passage_info(one, owners[one.document], names, score=one.score) for one in joined],
            method="words and vectors" if course.vectors else "words",
            note=" ".join(note for note in course.notes if note),
            reranked=course.reranked,
            seconds=time.monotonic() - began,
            embed_seconds=course.embed_seconds,
        )

    async def _found(
        self, collections: Sequence[CollectionRow], request: DocsSearch, course: _Course, client: str
    ) -> AsyncGenerator[Progress | Scores, None]:
        """Progress, and the chunks last."""
        found: list[tuple[int, float]] = []
        for model, group in _by_model(collections, words_only=request.words_only).items():
            # One filter less where all that there is may be found.
            ids = None if len(group) == len(collections) and not request.collections else [row.id for row in group]
            # Beside the query's vector and the search for what is near it, which both compute elsewhere.
            words = asyncio.ensure_future(self._store.chunks.words(request.query, ids, request.filter, DEPTH))
            nearest: Scores = []
            try:
                if model is not None:
                    async with aclosing(self._nearest(model, ids, request, course, client)) as items:
                        async for item in items:
                            if isinstance(item, Progress):
                                yield item
                            else:
                                nearest = item
                found += fused(await words, nearest)
            finally:
                words.cancel()
        yield found

    async def _collections(self, names: Sequence[str]) -> list[CollectionRow]:
        if not names:
            return await self._store.collections.ls()
        return [await self._store.collections.find(name) for name in dict.fromkeys(names)]

    async def _nearest(
        self, model: str, collections: Sequence[int] | None, request: DocsSearch, course: _Course, client: str
    ) -> AsyncGenerator[Progress | Scores, None]:
        """What is near in meaning; nothing where the model cannot say, for which the words stand in."""
        began = time.monotonic()
        query = request.query[:_QUERY_CHARACTERS]
        try:
            async with aclosing(
                self._models.embedding(model, [query], priority="interactive", client=client)
            ) as embedding:
                async for item in embedding:
                    if isinstance(item, EmbedReply):
                        course.embed_seconds += time.monotonic() - began
                        filters = request.filter if request.filter != DocumentFilter() else EVERY_DOCUMENT
                        nearest = await self._vectors.nearest(
                            model, item.vectors, DEPTH, collections=collections, filters=filters
                        )
                        course.vectors = course.vectors or bool(nearest)
                        if not nearest and await self._is_replaced(model, item.dimensions):
                            course.notes.append(_REPLACED.format(model=model))
                            self._replaced()
                        yield nearest
                    else:
                        yield item
        except SamovarError as error:
            if error.code in (FailureCode.SHUTTING_DOWN, FailureCode.CANCELLED):
                raise
            log.info("searched by words alone", extra={"problem": error.failure.message})
            course.notes.append(f"Searched by words alone: {error.failure.message}")

    async def _is_replaced(self, model: str, dimensions: int) -> bool:
        """Whether the vectors that are stored are of another file than the model that has its name now."""
        return await self._store.vectors.dimensions(model) not in (None, dimensions)

    async def _why_words(self, collections: Sequence[CollectionRow]) -> str:
        """Why no vectors were searched; nothing where it was said already, or there is nothing to search."""
        models = {row.model for row in collections if row.model is not None}
        if models or not collections:
            for model in models:
                if not self._models.is_there(model):
                    return f"Searched by words alone: the embedding model {model} is not on this machine."
                if not (await self._store.vectors.state(model)).vectors or await self._are_coming(collections):
                    return "Searched by words alone: the vectors are still being computed."
            return ""
        if all(row.words_only for row in collections):
            return "Searched by words alone, as these collections are set to."
        return (
            "Searched by words alone: there is no embedding model on this machine. "
            "`samovar get all-minilm-l6-v2` fetches a small one."
        )

    async def _are_coming(self, collections: Sequence[CollectionRow]) -> bool:
        """Whether passages of these wait for their vectors; looked for only while there are any that do."""
        vectors = self._store.vectors
        if not vectors.awaited.going_on:
            return False
        asked = [(row.model, row.id) for row in collections if row.model is not None]
        return any([bool(await vectors.without(model, id_, limit=1)) for model, id_ in asked])

    async def _read(
        self, found: Scores, collections: Sequence[CollectionRow], request: DocsSearch
    ) -> tuple[list[Found], dict[int, DocumentRow]]:
        """The chunks with their texts, in this order, and the documents that they are of, by id."""
        scores = dict(found)
        ids = [row.id for row in collections] if request.collections else None
        owners = await self._store.documents.of_chunks(list(scores), ids, request.filter)
        chunks = [
            Found(
                chunk=row.id,
                document=owners[row.id].id,
                ordinal=row.ordinal,
                text=row.text,
                start=row.start,
                end=row.end,
                score=scores[row.id],
                page=row.page,
                headings=tuple(row.heading.split(HEADING_SEPARATOR)) if row.heading else (),
            )
            for row in await self._store.chunks.get(list(scores))
            if row.id in owners
        ]
        return chunks, {row.id: row for row in owners.values()}

    async def _rerank(
        self, request: DocsSearch, chunks: list[Found], course: _Course, client: str
    ) -> AsyncGenerator[Progress | list[Found], None]:
        """The chunks in the order of a reranking model, where one is in memory or asked for."""
        model = self._reranker()
        if model is None and not request.rerank:
            return
        some = chunks[:_RERANKED]
        try:
            ranking = self._instances.rerank(
                model, request.query[:_QUERY_CHARACTERS], [chunk.text for chunk in some], client=client
            )
            async with aclosing(ranking):
                async for item in ranking:
                    if not isinstance(item, RerankReply):
                        yield item
                        continue
                    scores = {one.index: one.score for one in item.results}
                    course.reranked = item.model
                    yield _all_reranked(chunks, [scores[index] for index in range(len(some))])
        except SamovarError as error:
            if request.rerank or error.code in (FailureCode.SHUTTING_DOWN, FailureCode.CANCELLED):
                raise
            course.notes.append(f"Not reranked: {error.failure.message}")

    def _reranker(self) -> str | None:
        """A reranking model that is in memory."""
        able = {info.key for info in self._library.ls() if "rerank" in info.capabilities}
        return next(
            (one.identifier for one in self._instances.ls() if one.model in able and one.state == "ready"), None
        )


def _all_reranked(chunks: Sequence[Found], scores: Sequence[float]) -> list[Found]:
    """Those that have a score of the reranking model in its order, and the others behind them in theirs."""
    lowest = min(scores) - 2.0  # theirs are from 0 to 1
    behind = [msgspec.structs.replace(chunk, score=lowest + chunk.score) for chunk in chunks[len(scores) :]]
    return [*reranked(chunks[: len(scores)], scores), *behind]


def _by_model(collections: Sequence[CollectionRow], *, words_only: bool) -> dict[str | None, list[CollectionRow]]:
    """Collections that are searched together, since the vectors of one model can be compared."""
    groups: dict[str | None, list[CollectionRow]] = defaultdict(list)
    for row in collections:
        groups[None if words_only or row.words_only else row.model].append(row)
    return groups


def _models(collections: Sequence[CollectionRow]) -> dict[int, str | None]:
    return {row.id: row.model for row in collections}
