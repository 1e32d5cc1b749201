"""Documents, as the agent's faces see them: one object for all that can be asked about them.

documents = DocumentService(store=store, instances=instances, library=library, settings=settings, events=events,
                            places=places, conversations=conversations)
await documents.open()
reply = await documents.add(DocsAdd(paths=["/home/me/notes"]), on_progress=show)
async for item in documents.ask(DocsAsk(question="When does it end?"), client="cli"): ...
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from samovar_agent.documents import transfer
from samovar_agent.documents.adding import Adding
from samovar_agent.documents.announcing import Announcing
from samovar_agent.documents.asking import Asking
from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.embedding import Embedding
from samovar_agent.documents.embedding_models import EmbeddingModels
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.following import Following
from samovar_agent.documents.given_paths import absolute
from samovar_agent.documents.holdings import Holdings
from samovar_agent.documents.indexing import Cutter, Indexing
from samovar_agent.documents.lazy_vectors import LazyVectorSearch
from samovar_agent.documents.searching import Searching
from samovar_agent.engine.instances import Instances
from samovar_agent.events import EventBus
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_agent.store.documents import DocumentRow, Stored
from samovar_agent.store.store import Store
from samovar_protocol import Failure, FailureCode, Places, SamovarError
from samovar_protocol.documents import CollectionInfo, SourceInfo
from samovar_protocol.events import AnyEvent, CollectionChanged, LibraryChanged
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
from samovar_protocol.values import AnyDelta, Progress

log = logging.getLogger("samovar.documents")

_RESTART_SECONDS = 5.0
"""A loop that ended with a defect of ours begins again after so long."""


class DocumentService:
    """Everything about documents. All methods raise `SamovarError`; `not_found` where a name or id means nothing."""

    def __init__(
        self,
        *,
        store: Store,
        instances: Instances,
        library: Library,
        settings: SettingsFile,
        events: EventBus,
        places: Places,
        conversations: ConversationService,
    ) -> None:
        self._store, self._events = store, events
        self._models = models = EmbeddingModels(library, instances, settings)
        self._vectors = LazyVectorSearch(store, places.data / "vectors")
        self._extractor = Extractor(places.run / "extraction")
        self._holdings = Holdings(store, models, problems=self._problems, removed=self._vectors.remove)
        self._announcing = Announcing(self._holdings.describe, events)
        self._indexing = Indexing(store, self._extractor, self._cutter, told=self._stored)
        self._embedding = Embedding(store, models, self._vectors, told=self._announcing.changed)
        self._following = Following(store, changed=self._changed, removed=self._vectors.remove)
        self._adding = Adding(
            store,
            self._holdings,
            self._following,
            models,
            self._indexing,
            self._embedding,
            changed=self._announcing.changed,
            embedded=self._vectors.came,
        )
        self._searching = Searching(store, library, instances, models, self._vectors, replaced=self._embedding.wake)
        self._asking = Asking(store, library, instances, self._searching, conversations)
        self._gone: list[int] = []
        self._sweeping = asyncio.Event()
        self._models_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Go on with what was interrupted, and keep sources in step from now on."""
        await self._adopt_model()
        loops = {
            "read documents": self._indexing.run,
            "embed documents": self._embedding.run,
            "follow sources": self._following.run,
            "sweep documents": self._sweep,
        }
        self._tasks = [asyncio.create_task(_for_ever(name, loop), name=name) for name, loop in loops.items()]
        self._tasks.append(asyncio.create_task(_for_ever("watch for models", self._adopt_models)))
        self._unsubscribe = self._events.subscribe(self._heard)

    async def close(self) -> None:
        """Stop what goes on in the background; nothing that was acknowledged is lost."""
        if self._tasks:
            self._unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._announcing.close()
        await self._extractor.close()
        await self._vectors.save()

    async def collections(self, name: str | None = None) -> list[CollectionInfo]:
        """Collections by name. - name: only this one; raises `not_found`."""
        return await self._holdings.collections(name)

    async def create(self, request: DocsCreate) -> CollectionInfo:
        """An empty collection. Raises `bad_request` where the name is taken, `model_unknown`, `model_unsupported`."""
        return self._told(await self._holdings.create(request))

    async def change(self, request: DocsChange) -> CollectionInfo:
        """Another name or embedding model."""
        info = self._told(await self._holdings.change(request))
        self._embedding.wake()
        if request.words_only:
            await self._embedding.drop_unused()
        return info

    async def delete(self, collection: str) -> int:
        """Remove it; how many documents went with it."""
        info, removed = await self._holdings.delete(collection)
        self._events.publish(CollectionChanged(collection=info, gone=True))
        await self._following.rewatch()
        self._sweeping.set()
        return removed

    async def add(self, request: DocsAdd, *, on_progress: Callable[[Progress], None]) -> DocsAddReply:
        """Take in files, folders or a text."""
        return await self._adding.add(request, on_progress=on_progress)

    async def ls(self, request: DocsLs) -> DocsLsReply:
        """A portion of the documents."""
        return await self._holdings.ls(request)

    async def rm(self, request: DocsRm) -> int:
        """Remove documents; how many went."""
        collection, removed = await self._holdings.rm(request)
        await self._following.rewatch()
        self._sweeping.set()
        self._announcing.changed(collection.id)
        return removed

    async def watch(self, request: DocsWatch) -> SourceInfo:
        """Keep a source in step, or no longer."""
        collection, source = await self._holdings.source(request.collection, request.path)
        await self._store.sources.change(source.id, watch=request.watch)
        await self._following.rewatch()
        return await self._holdings.source_info(collection, source.id)

    async def retry(self, request: DocsRetry) -> int:
        """Queue again what failed; how many."""
        queued = await self._holdings.retry(request)
        self._indexing.wake()
        self._embedding.wake()
        return queued

    async def text(self, request: DocsText) -> DocsTextReply:
        """What a document says."""
        return await self._holdings.text(request)

    def search(self, request: DocsSearch, *, client: str) -> AsyncGenerator[Progress | DocsSearchReply, None]:
        """Progress of loading models, then what was found. - client: who asks, for taking turns."""
        return self._searching.search(request, client=client)

    def ask(self, request: DocsAsk, *, client: str) -> AsyncGenerator[AnyDelta | Progress | DocsAskReply, None]:
        """Progress, the answer in pieces, and the reply last. Closing the generator stops the work."""
        return self._asking.ask(request, client=client)

    async def export(self, request: DocsExport, *, on_progress: Callable[[Progress], None]) -> DocsExportReply:
        """Write a collection to one file."""
        row = await self._store.collections.find(request.collection)
        path = Path(absolute(request.path))
        return await transfer.export(self._store, row, path, replace=request.replace, on_progress=on_progress)

    async def import_(self, request: DocsImport, *, on_progress: Callable[[Progress], None]) -> CollectionInfo:
        """Take in such a file."""
        path = Path(absolute(request.path))
        try:
            row = await transfer.import_(self._store, path, request.name, on_progress=on_progress)
        finally:  # an index that was opened meanwhile has some of it, whatever became of the import
            await self._vectors.catch_up()
        self._sweeping.set()
        self._indexing.wake()  # which has time to merge the words that came
        await self._adopt_model()  # where it was exported there may have been none
        return self._told(await self._holdings.describe(row.id))

    def _told(self, info: CollectionInfo) -> CollectionInfo:
        self._events.publish(CollectionChanged(collection=info))
        return info

    def _changed(self, collection: int) -> None:
        """Something of it was queued, moved or removed."""
        self._indexing.wake()
        self._announcing.changed(collection)

    def _stored(self, document: DocumentRow, stored: Stored | None) -> None:
        """A document was read, or could not be."""
        self._announcing.changed(document.collection)
        if stored is None:
            return
        self._vectors.came(stored.embedded)
        if stored.gone:
            self._gone += stored.gone
            self._sweeping.set()
        # Also where its text was known: in another collection, with another model.
        self._embedding.wake()

    async def _cutter(self, collection: int) -> Cutter:
        try:
            row = await self._store.collections.get(collection)
        except SamovarError as error:
            if error.code != FailureCode.NOT_FOUND:
                raise
            return await self._models.cutter(None)  # it went a moment ago, and its documents with it
        return await self._models.cutter(row.next_model or row.model)

    def _problems(self) -> Mapping[str, Failure]:
        reading = self._indexing.problem
        problems = {**self._embedding.problems, **{str(id_): one for id_, one in self._embedding.incomplete.items()}}
        return {**problems, "": reading} if reading is not None else problems

    def _heard(self, _number: int, _time: float, _cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, LibraryChanged):
            self._models_changed.set()

    async def _adopt_models(self) -> None:
        """A model that came may be what collections have waited for."""
        while True:
            await self._models_changed.wait()
            self._models_changed.clear()
            await self._adopt_model()

    async def _adopt_model(self) -> None:
        """Collections without an embedding model get the one that is there now."""
        model = self._models.default()
        if model is not None:
            for row in await self._store.collections.ls():
                if row.model is None and row.next_model is None and not row.words_only:
                    await self._store.collections.set_models(row.id, model=model)
                    self._announcing.changed(row.id)
        self._embedding.wake()

    async def _sweep(self) -> None:
        """Take what no document says any more out of the store, and out of the indexes."""
        while True:
            self._sweeping.clear()
            try:
                while gone := await self._store.documents.sweep():
                    await self._vectors.remove(gone)
                gone, self._gone = self._gone, []
                await self._vectors.remove(gone)
                await self._embedding.drop_unused()
            except SamovarError as error:
                log.warning("not swept for now", extra={"problem": error.failure.message})
            await self._sweeping.wait()


async def _for_ever(name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop; one that a defect ended is begun again, since documents must not stand still until the next start."""
    while True:
        try:
            await loop()
            return
        except Exception:
            log.exception("%s failed; it goes on in a moment", name)
            await asyncio.sleep(_RESTART_SECONDS)
