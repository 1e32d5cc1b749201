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
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from samovar_agent.documents.cutting import HEADING_SEPARATOR, Cutter, EstimatingCutter, stored_chunks
from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.folders import with_digest
from samovar_agent.documents.indexing_batches import Batches, Read, ahead, in_turn, portions
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow, Stored
from samovar_agent.store.store import Store
from samovar_protocol import Failure, FailureCode, SamovarError

__all__ = ["HEADING_SEPARATOR", "Cutter", "CuttingReader", "Indexing", "Reader", "cut"]

log = logging.getLogger("samovar.documents")

_TAKEN = 256
"""Documents that are begun at once; a killed agent begins that many anew, or twice as many."""


_DEFECT = Failure(
    code=FailureCode.INTERNAL,
    message="Documents cannot be read because of a defect in Samovar.",
    hint="`samovar logs` shows it; it is tried again in a moment.",
)


class Reader(Protocol):
    """What makes text of files; see `extraction.Extractor`."""

    async def extract(self, path: Path) -> Extracted:
        """The text of a file, or its problem."""


@runtime_checkable
class CuttingReader(Protocol):
    """A reader that cuts too, by an estimate of tokens."""

    async def extract_chunks(self, path: Path, target: int) -> tuple[Extracted, list[NewChunk]]:
        """The chunks of a file, and the rest of what `extract` says; none where it has a problem and no text."""


class Indexing:
    """One loop for all collections: while a file is read and cut, those before it are stored.

    - cutter_of: of a collection, by its id. - told: of each document that is stored, with the chunks that came and
    went, and of each that failed, with None. - problem: why nothing goes on now, as where the disk is full; it is tried
    again by itself, and when somebody calls `wake`. - failures: how often it came to that.
    """

    problem: Failure | None = None
    failures = 0

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
        self._cutting_reader = reader if isinstance(reader, CuttingReader) else None
        self._queued = asyncio.Event()

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
                await self._settle()
            except SamovarError as error:  # not about a document: the disk is full, or the model cannot be loaded
                self.problem = error.failure
                self.failures += 1
                log.warning("documents are not read for now", extra={"problem": error.failure.message})
            except Exception:  # a defect of ours, with which whoever waits must not wait for ever
                self.problem = _DEFECT
                self.failures += 1
                raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_seconds if self.problem else None):
                    await self._queued.wait()

    async def _all(self) -> None:
        await self._store.documents.mark_interrupted()  # what a failure left
        async with aclosing(Batches(self._put)) as batches:
            documents = await self._store.documents.take(_TAKEN)
            while documents:
                # Asked for beforehand, since whoever writes may be busy with what was read before.
                async with ahead(self._store.documents.take(_TAKEN)) as more:
                    for portion in portions(documents):
                        await self._portion(portion, batches)
                    documents = await more
                    if not documents:  # what was queued while the last of them were read
                        await batches.flush()
                        documents = await self._store.documents.take(_TAKEN)

    async def _settle(self) -> None:
        """Bring the index of words in order while there is nothing else to do."""
        chunks = self._store.chunks
        while not self._queued.is_set() and (await chunks.renew_words() or await chunks.merge_words()):
            pass

    async def _portion(self, documents: Sequence[DocumentRow], batches: Batches) -> None:
        cutters: dict[int, Cutter] = {}
        for document in documents:
            if document.collection not in cutters:
                cutters[document.collection] = await self._cutter_of(document.collection)
        looked = await asyncio.to_thread(_looked_at, documents)
        digests = {document.sha256 for document, problem in looked if document.sha256 is not None and problem is None}
        known = await self._store.documents.known_contents(digests)
        twins: list[tuple[DocumentRow, Cutter]] = []
        fresh: list[tuple[DocumentRow, Cutter]] = []
        for document, problem in looked:
            cutter = cutters[document.collection]
            content = (document.sha256 or "", cutter.recipe)
            if problem is not None:
                await self._fail(document, problem)
            elif content in known:
                twins.append((document, cutter))
            else:
                known.add(content)
                fresh.append((document, cutter))
        async with aclosing(in_turn((one[0].size, self._read(*one)) for one in fresh)) as reads:
            async for read in reads:
                await self._keep(read, batches)
        if twins:
            await batches.flush()  # it may have been read a moment ago
        for document, cutter in twins:
            shared = await self._store.documents.share(document, cutter.recipe)
            if shared is not None:
                self._told(document, shared)
            else:
                await self._keep(await self._read(document, cutter), batches)

    async def _read(self, document: DocumentRow, cutter: Cutter) -> Read:
        assert document.path is not None, "pasted text is stored when it is pasted"
        path = Path(document.path)
        if isinstance(cutter, EstimatingCutter) and self._cutting_reader is not None:
            extracted, chunks = await self._cutting_reader.extract_chunks(path, cutter.target)
        else:
            extracted = await self._reader.extract(path)
            chunks = await cut(extracted, cutter)
        document = msgspec.structs.replace(
            document,
            title=extracted.title,
            media_type=extracted.media_type,
            pages=len(extracted.pages) or None,
            problem=_json(extracted.problem) if extracted.problem else None,
        )
        return Read(document, cutter.recipe, chunks, extracted.problem)

    async def _keep(self, read: Read, batches: Batches) -> None:
        if read.problem is not None and not read.chunks:
            await self._fail(read.document, read.problem)
        else:
            await batches.add(read)

    async def _put(self, batch: Sequence[Read]) -> None:
        for recipe in dict.fromkeys(read.recipe for read in batch):
            reads = [read for read in batch if read.recipe == recipe]
            stored = await self._store.documents.put_documents(
                [(read.document, read.chunks) for read in reads], recipe=recipe
            )
            for read, became in zip(reads, stored, strict=True):
                if became is not None:  # otherwise it was changed or removed meanwhile
                    self._told(read.document, became)
        self.problem = None

    async def _fail(self, document: DocumentRow, problem: Problem) -> None:
        """Quarantine it with its reason; the rest goes on."""
        await self._store.documents.fail(document, _json(problem))
        self._told(msgspec.structs.replace(document, state="failed", problem=_json(problem)), None)


def _looked_at(documents: Sequence[DocumentRow]) -> list[tuple[DocumentRow, Problem | None]]:
    """The documents with the digests, sizes and times of their files as they are now, or why they have none."""
    return [_look_at(document) for document in documents]


def _look_at(document: DocumentRow) -> tuple[DocumentRow, Problem | None]:
    assert document.path is not None, "pasted text is stored when it is pasted"
    try:
        found = with_digest(document.path)
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or error}."
        hint = "Correct its permissions, or remove it from the collection."
        return document, Problem(reason="unreadable", message=message, hint=hint)
    return (
        msgspec.structs.replace(document, sha256=found.sha256, size=found.size, mtime=found.mtime, problem=None),
        None,
    )


async def cut(extracted: Extracted, cutter: Cutter) -> list[NewChunk]:
    """The chunks of a document, as they are stored."""
    loop = asyncio.get_running_loop()

    def count(texts: list[str]) -> list[int]:
        return asyncio.run_coroutine_threadsafe(cutter.count_tokens(texts), loop).result()

    return await asyncio.to_thread(stored_chunks, extracted, count, target=cutter.target)


def _json(problem: Problem) -> str:
    return msgspec.json.encode(problem).decode()
