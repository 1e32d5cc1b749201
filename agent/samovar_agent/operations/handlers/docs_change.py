"""`docs_change`: give a collection another name or embedding model."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsChange


async def handle(call: Call, request: DocsChange) -> DocsCollectionReply:
    """The collection as it is now."""
    return DocsCollectionReply(collection=await call.services.documents.change(request))
