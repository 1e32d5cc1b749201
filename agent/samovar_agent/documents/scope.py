"""What a search or a question looks at, and why there may be nothing."""

from __future__ import annotations

from collections.abc import Sequence

from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.store import Store


async def why_nothing(store: Store, collections: Sequence[int] | None, filters: DocumentFilter) -> str:
    """Why there is nothing to look at; empty where there is something. - collections: None for all."""
    documents = store.documents
    if (await documents.extent(collections, filters, 1))[0]:
        return ""
    if filters != EVERY_DOCUMENT and (await documents.extent(collections, EVERY_DOCUMENT, 1))[0]:
        return "No document fits the filter."
    for collection in [None] if collections is None else collections:
        for state in ("queued", "indexing"):
            if await documents.ls(collection=collection, state=state, limit=1):
                return "The documents are still to be read; `samovar docs collections` shows how far that is."
        if await documents.ls(collection=collection, limit=1):
            return "None of the documents could be read; `samovar docs ls --failed` says why."
    return "There are no documents yet; `samovar docs add PATH` adds some."
