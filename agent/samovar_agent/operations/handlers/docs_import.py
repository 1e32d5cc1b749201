"""`docs_import`: take in a collection from a file."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsImport


async def handle(call: Call, request: DocsImport) -> DocsCollectionReply:
    """Progress, then the collection."""
    collection = await call.services.documents.import_(request, on_progress=call.send)
    return DocsCollectionReply(collection=collection)
