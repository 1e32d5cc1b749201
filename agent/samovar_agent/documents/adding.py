"""Takes files, folders and texts into a collection.

    reply = await adding.add(DocsAdd(paths=["/home/me/notes"]), on_progress=show)

Everything is queued first, and the agent reads it; whoever asked may wait for that, or leave.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Sequence

from samovar_agent.documents.embedding import Embedding
from samovar_agent.documents.embedding_models import EmbeddingModels
from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.following import Following, Step
from samovar_agent.documents.given_paths import absolute
from samovar_agent.documents.holdings import Holdings, collection_name
from samovar_agent.documents.indexing import Indexing, cut
from samovar_agent.models.gguf_reader import shown
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import CollectionInfo, DocumentInfo
from samovar_protocol.replies import DocsAddReply
from samovar_protocol.requests import DocsAdd, DocsCreate
from samovar_protocol.values import Progress

_POLL_SECONDS = 0.25
_MOST_FAILED = 100
_MOST_TEXT = 12 * 1024 * 1024
"""Characters of a pasted text; more come as a file."""


class Adding:
    """- changed: told of a collection in which something is new. - embedded: of chunks that are stored with vectors."""

    def __init__(
        self,
        store: Store,
        holdings: Holdings,
        following: Following,
        models: EmbeddingModels,
        indexing: Indexing,
        embedding: Embedding,
        *,
        changed: Callable[[int], None],
        embedded: Callable[[Sequence[int]], None],
    ) -> None:
        self._store, self._holdings, self._following, self._models = store, holdings, following, models
        self._indexing, self._embedding = indexing, embedding
        self._changed, self._embedded = changed, embedded

    async def add(self, request: DocsAdd, *, on_progress: Callable[[Progress], None]) -> DocsAddReply:
        """Take it in. Raises `bad_request` where nothing sound is named, `not_found`, `too_large`, `disk_full`."""
        self._check(request)
        paths = list(dict.fromkeys(map(absolute, request.paths)))
        await asyncio.to_thread(_require, paths)
        collection = await self._collection(request.collection)
        try:
            return await self._added(collection, paths, request, on_progress)
        except SamovarError as error:
            if error.code != FailureCode.NOT_FOUND or await self._is_there(collection):
                raise
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"The collection '{collection.name}' was removed while something was added to it.",
                hint="Add it again, and the collection is made anew.",
            ) from error

    async def _added(
        self, collection: CollectionRow, paths: Sequence[str], request: DocsAdd, on_progress: Callable[[Progress], None]
    ) -> DocsAddReply:
        ids: list[int] = []
        steps: list[tuple[SourceRow, Step]] = []
        try:
            if request.text is not None:
                ids.append(await self._add_text(collection, request.text, request.name or _name_of(request.text)))
            for path in paths:
                steps += [await self._add_path(collection, path, request)]
        finally:  # one that fails takes nothing from those before it
            if steps:
                await self._following.rewatch()
            before = self._indexing.failures, self._embedding.failures
            self._indexing.wake()
            self._embedding.wake()
            self._changed(collection.id)
        ids += [id_ for source, _ in steps if source.kind == "file" for id_ in await self._of(source)]
        if request.wait:
            await self._finished(collection, before, on_progress)
        problems = {path: problem.message for _, step in steps for path, problem in step.problems.items()}
        return DocsAddReply(
            collection=await self._holdings.describe(collection.id),
            added=sum(step.changed for _, step in steps) + (request.text is not None),
            unchanged=sum(step.unchanged for _, step in steps),
            skipped=sum(step.others for _, step in steps),
            documents=await self._holdings.documents(ids),
            failed=await self._failed([source for source, _ in steps]) if request.wait else [],
            problems=problems,
        )

    def _check(self, request: DocsAdd) -> None:
        if not request.paths and request.text is None:
            raise SamovarError(FailureCode.BAD_REQUEST, "Nothing was named.", hint="Name files or folders, or a text.")
        if request.text is not None and not request.text.strip():
            raise SamovarError(FailureCode.BAD_REQUEST, "The text is empty.", hint="Paste something to be found.")
        if request.text is not None and len(request.text) > _MOST_TEXT:
            raise SamovarError(
                FailureCode.TOO_LARGE,
                f"The text has {len(request.text):,} characters; the limit is {_MOST_TEXT:,}.",
                hint="Save it as a file and add that.",
            )
        Excludes(request.excludes)  # refuses patterns that mean nothing, before anything is made
        for path in request.paths:
            absolute(path)

    async def _collection(self, name: str) -> CollectionRow:
        name = collection_name(name)
        try:
            return await self._store.collections.find(name)
        except SamovarError as error:
            if error.code != FailureCode.NOT_FOUND:
                raise
        try:
            return await self._holdings.made(DocsCreate(name=name))
        except SamovarError as error:
            if error.code != FailureCode.BAD_REQUEST:
                raise
            return await self._store.collections.find(name)  # somebody else was faster

    async def _is_there(self, collection: CollectionRow) -> bool:
        return any(row.id == collection.id for row in await self._store.collections.ls())

    async def _add_path(self, collection: CollectionRow, path: str, request: DocsAdd) -> tuple[SourceRow, Step]:
        is_folder = await asyncio.to_thread(os.path.isdir, path)
        known = await self._store.sources.find(collection.id, path)
        source = await self._store.sources.add(
            collection.id, "folder" if is_folder else "file", path, excludes=request.excludes, watch=request.watch
        )
        try:
            step = await self._following.look(source)
        except SamovarError:
            if known is None:  # nothing came of it: leave no source behind that nobody can use
                await self._store.sources.delete(source.id)
            raise
        return source, step

    async def _add_text(self, collection: CollectionRow, text: str, name: str) -> int:
        cutter = await self._models.cutter(collection.model)
        extracted = Extracted(title=name, media_type="text/plain", text=text)
        data = text.encode(errors="surrogatepass")
        new = NewDocument(
            collection=collection.id,
            source=0,
            name=name,
            title=name,
            size=len(data),
            mtime=time.time(),
            # The name is part of what is searched, so the same text under another name is another content.
            sha256=hashlib.sha256(name.encode(errors="surrogatepass") + b"\0" + data).hexdigest(),
            media_type="text/plain",
        )
        id_, stored = await self._store.documents.put_text(new, await cut(extracted, cutter), recipe=cutter.recipe)
        self._embedded(stored.embedded)
        return id_

    async def _of(self, source: SourceRow) -> list[int]:
        return [file.id for file in await self._store.documents.known(source.id)]

    async def _finished(
        self, collection: CollectionRow, before: tuple[int, int], on_progress: Callable[[Progress], None]
    ) -> None:
        """Wait until all of the collection is read and has its vectors, or cannot have them now.

        - before: failures to read and to embed; those may be over, as where there is room again.
        """
        reading, embedding = before
        began = time.monotonic()
        first: CollectionInfo | None = None
        while True:
            info = await self._holdings.describe(collection.id)
            first = first or info
            # What keeps a model from making vectors does not keep anybody from reading.
            if info.queued:
                stuck = self._indexing.problem is not None and self._indexing.failures > reading
            else:
                stuck = info.problem is not None and self._embedding.failures > embedding
            if stuck or not info.busy:
                return
            on_progress(_progress(first, info, time.monotonic() - began))
            # Counting what a large collection holds takes its time, which reading needs more.
            await asyncio.sleep(max(_POLL_SECONDS, (info.documents + info.chunks) / 100_000))

    async def _failed(self, sources: Sequence[SourceRow]) -> list[DocumentInfo]:
        ids: list[int] = []
        for source in sources:
            rows = await self._store.documents.ls(source=source.id, state="failed", limit=_MOST_FAILED - len(ids))
            ids += [row.id for row in rows]
            if len(ids) >= _MOST_FAILED:
                break
        return await self._holdings.documents(ids)


def _progress(first: CollectionInfo, now: CollectionInfo, seconds: float) -> Progress:
    """Documents while there are some to be read, and then passages."""
    if now.queued:
        done, total, before = now.documents - now.queued, now.documents, first.documents - first.queued
    else:
        done, total, before = now.embedded, now.chunks, first.embedded
    speed = (done - before) / seconds if seconds > 0 and done > before else None
    return Progress(
        stage="reading" if now.queued else "embedding",
        done=done,
        total=total,
        unit="documents" if now.queued else "passages",
        per_second=speed,
        eta_seconds=(total - done) / speed if speed else None,
    )


def _require(paths: Sequence[str]) -> None:
    """Raise `not_found` for a path where nothing is, before anything is made."""
    for path in paths:
        if not os.path.lexists(path):
            raise SamovarError(FailureCode.NOT_FOUND, f"There is no {shown(path)}.", hint="Correct the path.")


def _name_of(text: str) -> str:
    """The first line of a text, cut at a word."""
    line = next(line for line in text.splitlines() if line.strip()).strip()
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    return line if len(line) <= 60 else line[:60].rsplit(" ", 1)[0] + "…"
