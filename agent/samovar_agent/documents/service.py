"""Documents, as the agent's faces see them: one object for all that can be asked about them.

    documents = DocumentService(store=store, instances=instances, library=library, settings=settings, events=events,
                                places=places)
    await documents.open()
    reply = await documents.add(DocsAdd(paths=["/home/me/notes"]), on_progress=show)
    async for item in documents.ask(DocsAsk(question="When does it end?"), client="cli"): ...
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from samovar_agent.engine.instances import Instances
from samovar_agent.events import EventBus
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import Places
from samovar_protocol.documents import CollectionInfo, SourceInfo
from samovar_protocol.replies import DocsAddReply, DocsAskReply, DocsExportReply, DocsLsReply, DocsSearchReply, DocsTextReply
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
    ) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Go on with what was interrupted, and keep sources in step from now on."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop what goes on in the background; nothing that was acknowledged is lost."""
        raise NotImplementedError

    async def collections(self, name: str | None = None) -> list[CollectionInfo]:
        """Collections by name. - name: only this one; raises `not_found`."""
        raise NotImplementedError

    async def create(self, request: DocsCreate) -> CollectionInfo:
        """An empty collection. Raises `bad_request` where the name is taken, `model_unknown`, `model_unsupported`."""
        raise NotImplementedError

    async def change(self, request: DocsChange) -> CollectionInfo:
        """Another name or embedding model."""
        raise NotImplementedError

    async def delete(self, collection: str) -> int:
        """Remove it; how many documents went with it."""
        raise NotImplementedError

    async def add(self, request: DocsAdd, *, on_progress: Callable[[Progress], None]) -> DocsAddReply:
        """Take in files, folders or a text."""
        raise NotImplementedError

    async def ls(self, request: DocsLs) -> DocsLsReply:
        """A portion of the documents."""
        raise NotImplementedError

    async def rm(self, request: DocsRm) -> int:
        """Remove documents; how many went."""
        raise NotImplementedError

    async def watch(self, request: DocsWatch) -> SourceInfo:
        """Keep a source in step, or no longer."""
        raise NotImplementedError

    async def retry(self, request: DocsRetry) -> int:
        """Queue again what failed; how many."""
        raise NotImplementedError

    async def text(self, request: DocsText) -> DocsTextReply:
        """What a document says."""
        raise NotImplementedError

    def search(self, request: DocsSearch, *, client: str) -> AsyncGenerator[Progress | DocsSearchReply, None]:
        """Progress of loading models, then what was found. - client: who asks, for taking turns."""
        raise NotImplementedError

    def ask(self, request: DocsAsk, *, client: str) -> AsyncGenerator[AnyDelta | Progress | DocsAskReply, None]:
        """Progress, the answer in pieces, and the reply last. Closing the generator stops the work."""
        raise NotImplementedError

    async def export(self, request: DocsExport, *, on_progress: Callable[[Progress], None]) -> DocsExportReply:
        """Write a collection to one file."""
        raise NotImplementedError

    async def import_(self, request: DocsImport, *, on_progress: Callable[[Progress], None]) -> CollectionInfo:
        """Take in such a file."""
        raise NotImplementedError
