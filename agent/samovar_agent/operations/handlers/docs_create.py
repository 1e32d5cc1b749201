"""`docs_create`: make an empty collection."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsCreate


async def handle(call: Call, request: DocsCreate) -> DocsCollectionReply:
    """The collection."""
    return DocsCollectionReply(collection=await call.services.documents.create(request))
