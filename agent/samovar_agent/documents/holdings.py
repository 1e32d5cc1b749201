"""What there is: collections, their sources and documents, as clients see them; and how these come and go.

info = await holdings.create(DocsCreate(name="notes"))
reply = await holdings.ls(DocsLs(collection="notes"))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from samovar_agent.documents.embedding_models import EmbeddingModels
from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.folders_excludes import MAX_PATTERNS, Excludes
from samovar_agent.documents.folders_plan import within
from samovar_agent.documents.given_paths import absolute, below
from samovar_agent.models.gguf_reader import shown
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.documents import DocumentRow
from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.documents import CollectionInfo, DocumentInfo, DocumentPassage, SourceInfo
from samovar_protocol.replies import DocsLsReply, DocsTextReply
from samovar_protocol.requests import DocsChange, DocsCreate, DocsLs, DocsRetry, DocsRm, DocsText

Removed = Callable[[Sequence[int]], Awaitable[None]]


class Holdings:
    """Collections, sources and documents.

    - problems: why a collection does not go on, by its embedding model or its id; "" for reading. - removed: takes the
    chunks that are gone from the store.
    """

    def __init__(
        self, store: Store, models: EmbeddingModels, *, problems: Callable[[], Mapping[str, Failure]], removed: Removed
    ) -> None:
        self._store, self._models, self._problems, self._removed = store, models, problems, removed

    async def collections(self, name: str | None = None) -> list[CollectionInfo]:
        """Collections by name. - name: only this one; raises `not_found`."""
        rows = await self._store.collections.ls() if name is None else [await self._store.collections.find(name)]
        return [await self._info(row) for row in rows]

    async def describe(self, collection: int) -> CollectionInfo:
        """One collection, by its id. Raises `not_found`."""
        return await self._info(await self._store.collections.get(collection))

    async def create(self, request: DocsCreate) -> CollectionInfo:
        """An empty collection. Raises `bad_request` where the name is taken, `model_unknown`, `model_unsupported`."""
        return await self._info(await self.made(request))

    async def made(self, request: DocsCreate) -> CollectionRow:
        """The same, as a row."""
        _check_models(request.model, words_only=request.words_only)
        model = None
        if not request.words_only:
            model = self._models.default() if request.model is None else self._models.resolve(request.model)
        return await self._store.collections.create(
            collection_name(request.name), model=model, words_only=request.words_only
        )

    async def change(self, request: DocsChange) -> CollectionInfo:
        """Another name or embedding model. Raises as `create` does, and `not_found`."""
        row = await self._store.collections.find(request.collection)
        _check_models(request.model, words_only=request.words_only)
        model = self._models.resolve(request.model) if request.model is not None else None
        if request.rename is not None:
            await self._store.collections.rename(row.id, collection_name(request.rename))
        if request.words_only:
            await self._store.collections.set_models(row.id, model=None, words_only=True)
        elif model is not None:
            # What serves now goes on serving until the other's vectors are all there.
            await self._store.collections.set_models(
                row.id, model=row.model or model, next_model=model if row.model not in (None, model) else None
            )
        return await self.describe(row.id)

    async def delete(self, name: str) -> tuple[CollectionInfo, int]:
        """Remove a collection; what it was, and how many documents went. What they said goes with `sweep`."""
        row = await self._store.collections.find(name)
        info = await self._info(row)
        await self._store.collections.delete(row.id)
        return info, info.documents

    async def ls(self, request: DocsLs) -> DocsLsReply:
        """A portion of the documents, and all sources."""
        row = None if request.collection is None else await self._store.collections.find(request.collection)
        id_ = row.id if row is not None else None
        documents = await self._store.documents.ls(
            collection=id_, state=request.state, after=request.after, limit=request.limit + 1
        )
        names = await self._names()
        counts = await self._store.sources.counts(id_)
        return DocsLsReply(
            sources=[
                source_info(source, names, counts.get(source.id, 0)) for source in await self._store.sources.ls(id_)
            ],
            documents=[document_info(document, names) for document in documents[: request.limit]],
            more=len(documents) > request.limit,
        )

    async def documents(self, ids: Sequence[int]) -> list[DocumentInfo]:
        """These documents; those that are gone are left out."""
        names = await self._names()
        return [document_info(row, names) for row in await self._store.documents.get(ids)]

    async def rm(self, request: DocsRm) -> tuple[CollectionRow, int]:
        """Remove documents; how many went. Raises `bad_request` for nothing, `not_found` for what is not there."""
        if not request.paths and not request.documents:
            raise SamovarError(FailureCode.BAD_REQUEST, "Nothing was named.", hint="Name paths or documents.")
        row = await self._store.collections.find(request.collection)
        sources = await self._store.sources.ls(row.id)
        removed = 0
        for document in await self._of(row, request.documents):
            removed += await self._remove_document(document, sources)
        for path in request.paths:
            removed += await self._remove_path(row, absolute(path), sources)
        return row, removed

    async def retry(self, request: DocsRetry) -> int:
        """Queue again what failed; how many."""
        row = None if request.collection is None else await self._store.collections.find(request.collection)
        return await self._store.documents.retry(row.id if row is not None else None, request.documents)

    async def text(self, request: DocsText) -> DocsTextReply:
        """What a document says. Raises `not_found`, also where nothing is stored of it yet."""
        rows = await self._store.documents.get([request.document])
        if not rows:
            raise _no_document(request.document)
        [row] = rows
        if row.content is None:
            info = document_info(row, await self._names())
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"Nothing was read of '{row.name}': {info.problem or 'it waits to be read.'}",
                hint=info.hint,
            )
        text = await self._store.chunks.text(row.content)
        end = len(text) if request.end is None else min(request.end, len(text))
        start = min(request.start, end)
        return DocsTextReply(
            document=document_info(row, await self._names()),
            text=text[start:end],
            start=start,
            end=end,
            length=len(text),
        )

    async def source(self, collection: str, path: str) -> tuple[CollectionRow, SourceRow]:
        """The source of a collection at a path. Raises `not_found`."""
        row = await self._store.collections.find(collection)
        source = await self._store.sources.find(row.id, absolute(path))
        if source is None:
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"{path} is no source of '{collection}'.",
                hint="`samovar docs ls --sources` lists them; `samovar docs add` adds one.",
            )
        return row, source

    async def source_info(self, collection: CollectionRow, id_: int) -> SourceInfo:
        """One source. Raises `not_found`."""
        counts = await self._store.sources.counts(collection.id)
        for source in await self._store.sources.ls(collection.id):
            if source.id == id_:
                return source_info(source, {collection.id: collection.name}, counts.get(id_, 0))
        raise SamovarError(FailureCode.NOT_FOUND, "The source is gone.")

    async def _of(self, collection: CollectionRow, ids: Sequence[int]) -> list[DocumentRow]:
        rows = [row for row in await self._store.documents.get(ids) if row.collection == collection.id]
        if missing := sorted(set(ids) - {row.id for row in rows}):
            raise _no_document(missing[0])
        return rows

    async def _remove_document(self, document: DocumentRow, sources: Sequence[SourceRow]) -> int:
        source = next(one for one in sources if one.id == document.source)
        if source.kind != "folder":
            await self._store.sources.delete(source.id)
            return 1
        assert document.path is not None
        await self._exclude(source, document.path, folder=False)
        await self._removed(await self._store.documents.delete([document.id]))
        return 1

    async def _remove_path(self, collection: CollectionRow, path: str, sources: Sequence[SourceRow]) -> int:
        own = [source for source in sources if source.path == path]
        removed = 0
        counts = await self._store.sources.counts(collection.id)
        for source in own:
            await self._store.sources.delete(source.id)
            removed += counts.get(source.id, 0)
        for source in sources:
            if source.kind != "folder" or source in own or source.path is None or not within(path, {source.path}):
                continue
            known = await self._store.documents.known(source.id, [path])
            if known:
                await self._exclude(source, path, folder=known[0].path != path)
                await self._removed(await self._store.documents.delete([file.id for file in known]))
                removed += len(known)
        if not removed and not own:
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"'{collection.name}' has nothing from {path}.",
                hint="`samovar docs ls` lists what it has.",
            )
        return removed

    async def _exclude(self, source: SourceRow, path: str, *, folder: bool) -> None:
        """Leave it out from now on, or the next look at the folder would bring it back."""
        assert source.path is not None
        relative = below(path, source.path)
        [now] = [row for row in await self._store.sources.ls(source.collection) if row.id == source.id]
        excludes = list(dict.fromkeys([*now.excludes, Excludes.pattern_of(relative, folder=folder)]))
        if len(excludes) > MAX_PATTERNS:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"{MAX_PATTERNS:,} things were left out of {shown(source.path)} one by one; that is the limit.",
                hint="Remove the whole folder, and add it again with patterns of what is to be left out.",
            )
        await self._store.sources.change(source.id, excludes=excludes)

    async def _info(self, row: CollectionRow) -> CollectionInfo:
        model = row.next_model or row.model
        counts = await self._store.collections.counts(row.id, model)
        problem = self._problem(row, counts.queued > 0, counts.embedded < counts.chunks)
        return CollectionInfo(
            id=row.id,
            name=row.name,
            created_at=row.created_at,
            model=row.model,
            next_model=row.next_model,
            documents=counts.documents,
            queued=counts.queued,
            failed=counts.failed,
            chunks=counts.chunks,
            embedded=counts.embedded,
            problem=problem.message if problem else None,
            hint=problem.hint if problem else "",
        )

    def _problem(self, row: CollectionRow, reading: bool, embedding: bool) -> Failure | None:
        problems = self._problems()
        if reading and (problem := problems.get("")):
            return problem
        model = row.next_model or row.model
        return problems.get(model) or problems.get(str(row.id)) if embedding and model is not None else None

    async def _names(self) -> dict[int, str]:
        return {row.id: row.name for row in await self._store.collections.ls()}


def document_info(row: DocumentRow, names: Mapping[int, str]) -> DocumentInfo:
    """A document as clients see it. - names: of collections."""
    # One that is queued again may well be read this time.
    waits = row.state in ("queued", "indexing") and row.content is None
    problem = msgspec.json.decode(row.problem, type=Problem) if row.problem and not waits else None
    return DocumentInfo(
        id=row.id,
        collection=names.get(row.collection, ""),
        source=row.source,
        name=row.name,
        title=row.title or row.name,
        state=row.state,
        size_bytes=row.size,
        changed_at=row.mtime,
        path=row.path,
        media_type=row.media_type,
        pages=row.pages,
        indexed_at=row.indexed_at,
        sha256=row.sha256,
        problem=problem.message if problem else None,
        hint=problem.hint if problem else "",
        reason=problem.reason if problem else None,
    )


class Passage(Protocol):
    """A piece of a document, wherever it comes from: a search, or a document that is read as a whole."""

    @property
    def text(self) -> str:
        """What stands there from `start` to `end`."""

    @property
    def start(self) -> int:
        """Its first character."""

    @property
    def end(self) -> int:
        """The one after its last."""

    @property
    def page(self) -> int | None:
        """From 1; None without pages."""

    @property
    def headings(self) -> tuple[str, ...]:
        """Of its section, the outermost first."""


def passage_info(passage: Passage, row: DocumentRow, names: Mapping[int, str], *, score: float) -> DocumentPassage:
    """A passage of a document as clients see it. - names: of collections."""
    return DocumentPassage(
        document=row.id,
        collection=names.get(row.collection, ""),
        name=row.name,
        title=row.title or row.name,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        score=score,
        path=row.path,
        media_type=row.media_type,
        page=passage.page,
        headings=list(passage.headings),
    )


def source_info(row: SourceRow, names: Mapping[int, str], documents: int) -> SourceInfo:
    """A source as clients see it. - names: of collections."""
    return SourceInfo(
        id=row.id,
        collection=names.get(row.collection, ""),
        kind=row.kind,
        path=row.path,
        excludes=row.excludes,
        watch=row.watch,
        state=row.state,
        documents=documents,
    )


def collection_name(name: str) -> str:
    """A name that can be shown and typed. Raises `bad_request`."""
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise SamovarError(
            FailureCode.BAD_REQUEST, "A collection's name has letters that can be seen.", hint="Choose another name."
        )
    return name


def _check_models(model: str | None, *, words_only: bool) -> None:
    if words_only and model is not None:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            "A collection has an embedding model or is searched by words alone, not both.",
            hint="Leave out one of the two.",
        )


def _no_document(id_: int) -> SamovarError:
    return SamovarError(FailureCode.NOT_FOUND, f"There is no document number {id_}.", hint="See `samovar docs ls`.")
