"""`docs_collections`: collections of documents."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsCollectionsReply
from samovar_protocol.requests import DocsCollections


async def handle(call: Call, request: DocsCollections) -> DocsCollectionsReply:
    """All of them, or the one that is named."""
    return DocsCollectionsReply(collections=await call.services.documents.collections(request.name))
