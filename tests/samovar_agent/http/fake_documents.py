"""A service of documents over a real store, that reads files when the test says so and finds plain words."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from samovar_agent.documents.extracted import Problem, Reason
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.documents import DocumentRow, NewDocument
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import CollectionInfo, DocumentInfo, DocumentPassage, SourceInfo
from samovar_protocol.replies import (
    DocsAddReply,
    DocsAskReply,
    DocsExportReply,
    DocsLsReply,
    DocsSearchReply,
    DocsTextReply,
)
from samovar_protocol.requests import (
    DocsAdd,
    DocsAsk,
    DocsChange,
    DocsCreate,
    DocsExport,
    DocsImport,
    DocsLs,
    DocsRetry,
    DocsRm,
    DocsSearch,
    DocsText,
    DocsWatch,
)
from samovar_protocol.values import AnyDelta, Progress, Text


class FakeDocuments:
    """- asked: every request. - at_once: read files as they are added. - progress: told by whatever is slow.

    - hold: waited for by whatever is slow; left: set where that was cancelled. - error: raised by everything.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[Any] = []
        self.clients: list[str] = []
        self.at_once = True
        self.progress: list[Progress] = []
        self.answer: list[AnyDelta] = [Text(text="In "), Text(text="June [1].")]
        self.hold: asyncio.Event | None = None
        self.left = asyncio.Event()
        self.error: SamovarError | None = None

    async def collections(self, name: str | None = None) -> list[CollectionInfo]:
        rows = [await self.store.collections.find(name)] if name is not None else await self.store.collections.ls()
        return [_info(row) for row in rows]

    async def create(self, request: DocsCreate) -> CollectionInfo:
        self._note(request)
        return _info(await self.store.collections.create(request.name, model=request.model))

    async def change(self, request: DocsChange) -> CollectionInfo:
        self._note(request)
        row = await self.store.collections.find(request.collection)
        if request.rename is not None:
            await self.store.collections.rename(row.id, request.rename)
        return _info(await self.store.collections.get(row.id))

    async def delete(self, collection: str) -> int:
        row = await self.store.collections.find(collection)
        documents = await self.store.documents.ls(collection=row.id)
        await self.store.collections.delete(row.id)
        return len(documents)

    async def add(self, request: DocsAdd, *, on_progress: Callable[[Progress], None]) -> DocsAddReply:
        await self._begin(request, on_progress)
        row = await self.store.collections.find(request.collection)
        ids: list[int] = []
        for path in map(Path, request.paths):
            if not path.exists():
                raise SamovarError(FailureCode.PATH_REFUSED, f"There is no {path}.")
            source = await self.store.sources.add(row.id, "file", str(path), watch=request.watch)
            size = path.stat().st_size
            new = NewDocument(collection=row.id, source=source.id, name=path.name, size=size, mtime=0, path=str(path))
            ids += await self.store.documents.add([new])
        if self.at_once:
            await self.read()
        documents = [_document(found, row.name) for found in await self.store.documents.get(ids)]
        return DocsAddReply(collection=_info(row), added=len(ids), documents=documents)

    async def read(self, problem: Reason | None = None) -> None:
        """Read what is queued. - problem: what is wrong with all of it."""
        for document in await self.store.documents.take(10_000):
            if problem is not None:
                told = Problem(reason=problem, message="It is broken.", hint="Mend it.")
                await self.store.documents.fail(document, msgspec.json.encode(told).decode())
                continue
            sha256 = hashlib.sha256(_text(document).encode()).hexdigest()
            await self.store.documents.put_document(msgspec.structs.replace(document, sha256=sha256), [])

    async def ls(self, request: DocsLs) -> DocsLsReply:
        self._note(request)
        row = await self.store.collections.find(request.collection) if request.collection is not None else None
        found = await self.store.documents.ls(
            collection=row.id if row else None, state=request.state, after=request.after, limit=request.limit + 1
        )
        names = {row.id: row.name for row in await self.store.collections.ls()}
        documents = [_document(one, names[one.collection]) for one in found[: request.limit]]
        return DocsLsReply(sources=[], documents=documents, more=len(found) > request.limit)

    async def rm(self, request: DocsRm) -> int:
        self._note(request)
        row = await self.store.collections.find(request.collection)
        found = {document.id: document for document in await self.store.documents.get(request.documents)}
        if set(request.documents) - set(found):
            raise SamovarError(FailureCode.NOT_FOUND, "One of the documents is not there.")
        sources = {document.source for document in found.values()}
        sources |= {source.id for source in await self.store.sources.ls(row.id) if source.path in request.paths}
        for source in sources:
            await self.store.sources.delete(source)
        return len(sources)

    async def watch(self, request: DocsWatch) -> SourceInfo:
        self._note(request)
        return SourceInfo(id=1, collection=request.collection, kind="folder", path=request.path, watch=request.watch)

    async def retry(self, request: DocsRetry) -> int:
        self._note(request)
        return len(request.documents)

    async def text(self, request: DocsText) -> DocsTextReply:
        self._note(request)
        found = await self.store.documents.get([request.document])
        if not found:
            raise SamovarError(FailureCode.NOT_FOUND, f"There is no document {request.document}.")
        text = _text(found[0])
        return DocsTextReply(
            document=_document(found[0], "notes"),
            text=text[request.start : request.end],
            start=request.start,
            end=len(text) if request.end is None else request.end,
            length=len(text),
        )

    async def search(self, request: DocsSearch, *, client: str) -> AsyncGenerator[Progress | DocsSearchReply, None]:
        self.clients.append(client)
        async for progress in self._slowly(request):
            yield progress
        passages = []
        for name in request.collections:
            row = await self.store.collections.find(name)
            for document in await self.store.documents.ls(collection=row.id, state="ready"):
                if request.filter.documents and document.id not in request.filter.documents:
                    continue
                text = _text(document)
                if request.query in text:
                    passages.append(
                        DocumentPassage(
                            document=document.id,
                            collection=name,
                            name=document.name,
                            title=document.name,
                            text=text,
                            start=0,
                            end=len(text),
                            score=text.count(request.query) / 10,
                            path=document.path,
                            page=1,
                        )
                    )
        passages.sort(key=lambda passage: -passage.score)
        yield DocsSearchReply(passages=passages[: request.limit], method="words", note="There is no embedding model.")

    async def ask(self, request: DocsAsk, *, client: str) -> AsyncGenerator[AnyDelta | Progress | DocsAskReply, None]:
        self.clients.append(client)
        async for progress in self._slowly(request):
            yield progress
        for delta in self.answer:
            yield delta
        yield DocsAskReply(
            model="a/b", text="In June [1].", outcome="answered", given="passages", sources=[], citations=[]
        )

    async def export(self, request: DocsExport, *, on_progress: Callable[[Progress], None]) -> DocsExportReply:
        await self._begin(request, on_progress)
        return DocsExportReply(path=request.path, size_bytes=7, documents=1)

    async def import_(self, request: DocsImport, *, on_progress: Callable[[Progress], None]) -> CollectionInfo:
        await self._begin(request, on_progress)
        return _info(await self.store.collections.create(request.name or "imported"))

    def _note(self, request: object) -> None:
        self.asked.append(request)
        if self.error is not None:
            raise self.error

    async def _begin(self, request: object, on_progress: Callable[[Progress], None]) -> None:
        async for progress in self._slowly(request):
            on_progress(progress)

    async def _slowly(self, request: object) -> AsyncGenerator[Progress, None]:
        self._note(request)
        try:
            for progress in self.progress:
                yield progress
                await asyncio.sleep(0)
            if self.hold is not None:
                await self.hold.wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise


def _info(row: CollectionRow) -> CollectionInfo:
    return CollectionInfo(id=row.id, name=row.name, created_at=row.created_at, model=row.model)


def _document(row: DocumentRow, collection: str) -> DocumentInfo:
    return DocumentInfo(
        id=row.id,
        collection=collection,
        source=row.source,
        name=row.name,
        title=row.name,
        state=row.state,
        size_bytes=row.size,
        changed_at=row.mtime,
        path=row.path,
    )


def _text(row: DocumentRow) -> str:
    assert row.path is not None
    return Path(row.path).read_text(errors="replace")
