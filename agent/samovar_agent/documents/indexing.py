"""Reads queued documents into the store, for as long as there are any.

    indexing = Indexing(store, extractor, cutter_of, told=publish)
    task = asyncio.create_task(indexing.run())
    indexing.wake()                             # something was queued

What is not done when this is cancelled, or the agent killed, is queued again by the next start; a document is in the
store as a whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from samovar_agent.documents.chunking import OVERLAP_TOKENS, chunks
from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.folders import with_digest
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow, Stored
from samovar_agent.store.store import Store
from samovar_protocol import Failure, SamovarError

log = logging.getLogger("samovar.documents")

HEADING_SEPARATOR = " › "
_TAKEN = 64
"""Documents that are begun at once; a killed agent begins that many anew."""
_BATCH_CHUNKS = 400
_BATCH_SECONDS = 0.5
"""Small files are stored together, as a transaction takes longer than reading one; but what is read is found soon."""


class Cutter(Protocol):
    """How the documents of a collection are cut. - recipe: differs where the chunks would. - target: tokens a chunk."""

    @property
    def recipe(self) -> str:
        """Texts that were cut by the same one have the same chunks."""

    @property
    def target(self) -> int:
        """Tokens of a chunk."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""


class Reader(Protocol):
    """What makes text of files; see `extraction.Extractor`."""

    async def extract(self, path: Path) -> Extracted:
        """The text of a file, or its problem."""


class Read(msgspec.Struct, frozen=True):
    """A document that was read but is not stored yet."""

    document: DocumentRow
    chunks: list[NewChunk]


class Indexing:
    """One loop for all collections.

    - cutter_of: of a collection, by its id. - told: of each document that is stored, with the chunks that came and
    went, and of each that failed, with None. - problem: why nothing goes on now, as where the disk is full; it is tried
    again by itself, and when somebody calls `wake`.
    """

    problem: Failure | None = None

    def __init__(
        self,
        store: Store,
        reader: Reader,
        cutter_of: Callable[[int], Awaitable[Cutter]],
        *,
        told: Callable[[DocumentRow, Stored | None], None],
        retry_seconds: float = 30.0,
    ) -> None:
        self._store, self._reader, self._cutter_of, self._told = store, reader, cutter_of, told
        self._retry_seconds = retry_seconds
        self._queued = asyncio.Event()
        self._waiting: dict[str, list[Read]] = {}
        self._stored_at = 0.0

    def wake(self) -> None:
        """There may be something in the queue."""
        self._queued.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._queued.clear()
            try:
                await self._all()
                self.problem = None
            except SamovarError as error:  # not about a document: the disk is full, or the model cannot be loaded
                self.problem = error.failure
                log.warning("documents are not read for now", extra={"problem": error.failure.message})
            self._waiting.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_seconds if self.problem else None):
                    await self._queued.wait()

    async def _all(self) -> None:
        await self._store.documents.mark_interrupted()  # what a failure left
        while documents := await self._store.documents.take(_TAKEN):
            for document in documents:
                await self._one(document)
            await self._store_all()
            self.problem = None

    async def _one(self, document: DocumentRow) -> None:
        cutter = await self._cutter_of(document.collection)
        read = await self._read(document, cutter)
        if read is None:
            return
        batch = self._waiting.setdefault(cutter.recipe, [])
        batch.append(read)
        many = sum(len(one.chunks) for one in batch) >= _BATCH_CHUNKS
        if many or time.monotonic() >= self._stored_at + _BATCH_SECONDS:
            await self._store_all()

    async def _read(self, document: DocumentRow, cutter: Cutter) -> Read | None:
        """What it says; None where nothing has to be stored for that."""
        path = document.path
        assert path is not None, "pasted text is stored when it is pasted"
        try:
            found = await asyncio.to_thread(with_digest, path)
        except OSError as error:
            message = f"The file cannot be read: {error.strerror or error}."
            hint = "Correct its permissions, or remove it from the collection."
            await self._fail(document, Problem(reason="unreadable", message=message, hint=hint))
            return None
        document = msgspec.structs.replace(
            document, sha256=found.sha256, size=found.size, mtime=found.mtime, problem=None
        )
        shared = await self._store.documents.share(document, cutter.recipe)
        if shared is not None:
            self._told(document, shared)
            return None
        extracted = await self._reader.extract(Path(path))
        if extracted.problem is not None and not extracted.text.strip():
            await self._fail(document, extracted.problem)
            return None
        return Read(
            msgspec.structs.replace(
                document,
                title=extracted.title,
                media_type=extracted.media_type,
                pages=len(extracted.pages) or None,
                problem=_json(extracted.problem) if extracted.problem else None,
            ),
            await cut(extracted, cutter),
        )

    async def _store_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for recipe, batch in waiting.items():
            stored = await self._store.documents.put_documents(
                [(one.document, one.chunks) for one in batch], recipe=recipe
            )
            for one, became in zip(batch, stored, strict=True):
                if became is not None:  # otherwise it was changed or removed meanwhile
                    self._told(one.document, became)
        self._stored_at = time.monotonic()

    async def _fail(self, document: DocumentRow, problem: Problem) -> None:
        """Quarantine it with its reason; the rest goes on."""
        await self._store.documents.fail(document, _json(problem))
        self._told(msgspec.structs.replace(document, state="failed", problem=_json(problem)), None)


async def cut(extracted: Extracted, cutter: Cutter) -> list[NewChunk]:
    """The chunks of a document, as they are stored."""
    loop = asyncio.get_running_loop()

    def count(texts: list[str]) -> list[int]:
        return asyncio.run_coroutine_threadsafe(cutter.count_tokens(texts), loop).result()

    overlap = min(OVERLAP_TOKENS, cutter.target // 4)
    found = await asyncio.to_thread(chunks, extracted, count, target=cutter.target, overlap=overlap)
    return [
        NewChunk(
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            tokens=chunk.tokens,
            heading=HEADING_SEPARATOR.join(chunk.headings),
            page=chunk.page,
        )
        for chunk in found
    ]


def _json(problem: Problem) -> str:
    return msgspec.json.encode(problem).decode()
