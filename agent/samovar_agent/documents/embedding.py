"""Gives every chunk its vector, in the background, for as long as chunks without one are there.

    embedding = Embedding(store, models, vectors, told=announce)
    task = asyncio.create_task(embedding.run())
    embedding.wake()                             # chunks or a model came

What is left to do is never written down: it is the chunks that have no vector. So a killed agent goes on where it was,
and a collection that changes its model is only a collection whose chunks lack vectors of the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from samovar_agent.documents.chunking import in_context
from samovar_agent.documents.embedding_models import CONTEXT_TOKENS, EmbeddingModels
from samovar_agent.documents.indexing import HEADING_SEPARATOR
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.store import Store
from samovar_agent.store.vectors import Awaited, Unembedded
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.replies import EmbedReply

log = logging.getLogger("samovar.documents")

_BATCH = 128
"""Chunks of one request: enough that the engine never waits, few enough that a search does not wait long for them."""
_AT_ONCE = 2
"""Requests that are under way: while one is computed the next is prepared and the last one stored."""
_FLOAT_BYTES = 4
_SHORTENINGS = 4


class Vectors(Protocol):
    """Where vectors go; see `vector_search.VectorSearch`."""

    async def add(self, model: str, vectors: Sequence[tuple[int, bytes]]) -> list[int]:
        """Store vectors of chunks; returns those whose chunks are still there."""

    async def keep_only(self, models: Sequence[str]) -> None:
        """Forget what is kept of all other models."""

    async def forget(self, model: str) -> None:
        """Forget what is kept of this one, whose vectors went from the store."""


class Embedding:
    """One loop for all collections.

    - told: of each collection that got vectors, or another model. - problems: why a model makes no vectors now, by its
    key; it is tried again by itself, and when somebody calls `wake`. - incomplete: collections, by id, of
    which the model cannot read everything. - failures: how often it came to one of both.
    """

    failures = 0

    def __init__(
        self,
        store: Store,
        models: EmbeddingModels,
        vectors: Vectors,
        *,
        told: Callable[[int], None],
        retry_seconds: float = 30.0,
    ) -> None:
        self._store, self._models, self._vectors, self._told = store, models, vectors, told
        self._retry_seconds = retry_seconds
        self._awake = asyncio.Event()
        self._hopeless: dict[str, set[int]] = {}
        self.problems: dict[str, Failure] = {}
        self.incomplete: dict[int, Failure] = {}

    def wake(self) -> None:
        """There may be chunks without a vector, or a model that was missing."""
        self.incomplete.clear()  # or nobody could tell these passages from those that are new
        self._awake.set()
        self._say(going_on=True)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._run()
        finally:
            self._say(going_on=False)

    async def _run(self) -> None:
        while True:
            self._awake.clear()
            problems: dict[str, Failure] = {}
            for collection in await self._store.collections.ls():
                model = collection.next_model or collection.model
                if model is None or model in problems:
                    continue
                try:
                    await self._drop_if_replaced(model)
                    await self._collection(collection, model)
                    self.problems.pop(model, None)
                except SamovarError as error:
                    if error.code == FailureCode.SHUTTING_DOWN:
                        return
                    if self.problems.get(model) != error.failure:
                        log.warning("no vectors are made for now", extra={"problem": error.failure.message})
                    problems[model] = self.problems[model] = error.failure
                    self._say(going_on=True)
                    self.failures += 1
                    self._told(collection.id)
            self.problems = problems
            if not self._awake.is_set():  # all there are, or all that can be made
                self._say(going_on=False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_seconds if problems else None):
                    await self._awake.wait()

    def _say(self, *, going_on: bool) -> None:
        """Tell who waits for vectors whether any may come."""
        self._store.vectors.awaited = Awaited(going_on, frozenset(self.problems))

    async def _drop_if_replaced(self, model: str) -> None:
        """Vectors of a file that had the model's key before cannot be compared with what that model makes now."""
        width, known = self._models.width(model), await self._store.vectors.dimensions(model)
        if known is None or width in (None, known) or not self._models.is_there(model):
            return
        # Only what it makes tells: some models make vectors that are wider, or less wide, than the layers before.
        made = (await self._models.embed(model, ["a"])).dimensions
        if made == known:
            return
        log.warning("all vectors are made anew", extra={"model": model, "dimensions": made, "before": known})
        while await self._store.vectors.drop(model):
            pass
        await self._vectors.forget(model)
        self._hopeless.pop(model, None)

    async def _collection(self, collection: CollectionRow, model: str) -> None:
        """Every chunk of a collection that lacks a vector; then its next model is its model."""
        after = left_out = 0
        running: list[asyncio.Task[int]] = []
        try:
            while chunks := await self._store.vectors.without(model, collection.id, after, _BATCH):
                after = chunks[-1].chunk
                hopeless = self._hopeless.get(model, set())
                left_out += sum(chunk.chunk in hopeless for chunk in chunks)
                chunks = [chunk for chunk in chunks if chunk.chunk not in hopeless]
                if not chunks:
                    continue
                if not self._models.is_there(model):
                    raise _missing(model)
                if len(running) == _AT_ONCE:
                    left_out += await running.pop(0)
                    self._told(collection.id)
                running.append(asyncio.create_task(self._batch(model, chunks)))
            while running:
                left_out += await running.pop(0)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if left_out and not self._awake.is_set():
            self.incomplete[collection.id] = _left_out(model, left_out)
            self.failures += 1
        if after:
            self._told(collection.id)
        if collection.next_model is not None:
            await self._change_model(collection, model)

    async def _batch(self, model: str, chunks: Sequence[Unembedded]) -> int:
        """Store their vectors; how many get none."""
        limit = self._models.length(model) - CONTEXT_TOKENS
        texts = [_text(chunk, limit) for chunk in chunks]
        try:
            vectors: list[bytes | None] = [*_rows(await self._models.embed(model, texts))]
        except SamovarError as error:
            if not _is_about_the_text(error):
                raise
            vectors = [await self._single(model, chunk.chunk, text) for chunk, text in zip(chunks, texts, strict=True)]
        found = [(chunk.chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True) if vector is not None]
        await self._vectors.add(model, found)
        return len(chunks) - len(found)

    async def _single(self, model: str, chunk: int, text: str) -> bytes | None:
        """The vector of a text, of its beginning where it is too long; None where there is no way."""
        for _ in range(_SHORTENINGS):
            try:
                [vector] = _rows(await self._models.embed(model, [text]))
            except SamovarError as error:
                if not _is_about_the_text(error):
                    raise
                text = text[: len(text) // 2]
            else:
                return vector
        log.warning("a passage gets no vector", extra={"chunk": chunk, "model": model})
        self._hopeless.setdefault(model, set()).add(chunk)
        return None

    async def _change_model(self, collection: CollectionRow, model: str) -> None:
        """The next model has all vectors: it is the one that is searched by from now on."""
        now = [row.next_model for row in await self._store.collections.ls() if row.id == collection.id]
        if now == [model]:  # nobody chose another one meanwhile, or removed the collection
            await self._store.collections.set_models(collection.id, model=model)
            self._told(collection.id)
        await self.drop_unused()

    async def drop_unused(self) -> None:
        """Remove the vectors of models that no collection has any more."""
        used = await self._store.collections.models()
        for model in await self._store.vectors.models():
            if model not in used:
                while await self._store.vectors.drop(model):
                    pass
        await self._vectors.keep_only(sorted(used))


def _text(chunk: Unembedded, limit: int) -> str:
    """A chunk as it is embedded; the beginning of one that was cut for a model which reads more at once."""
    text = chunk.text
    if chunk.tokens > limit:
        text = text[: max(1, len(text) * limit // chunk.tokens)]
    headings = tuple(chunk.heading.split(HEADING_SEPARATOR)) if chunk.heading else ()
    return in_context(chunk.title, headings, text)


def _rows(reply: EmbedReply) -> list[bytes]:
    size = reply.dimensions * _FLOAT_BYTES
    return [reply.vectors[start : start + size] for start in range(0, len(reply.vectors), size)]


def _is_about_the_text(error: SamovarError) -> bool:
    return error.code in (FailureCode.CONTEXT_OVERFLOW, FailureCode.BAD_REQUEST)


def _missing(model: str) -> SamovarError:
    return SamovarError(
        FailureCode.MODEL_UNKNOWN,
        f"The embedding model {model} is not on this machine any more.",
        hint=f"`samovar get {model}` fetches it again; `samovar docs change` chooses another.",
    )


def _left_out(model: str, passages: int) -> Failure:
    return Failure(
        code=FailureCode.CONTEXT_OVERFLOW,
        message=f"{model} cannot read {passages:,} {'passage' if passages == 1 else 'passages'}.",
        hint="By words they are found all the same.",
    )
