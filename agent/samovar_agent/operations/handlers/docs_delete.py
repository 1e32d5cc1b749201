"""`docs_delete`: remove a collection."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsRmReply
from samovar_protocol.requests import DocsDelete


async def handle(call: Call, request: DocsDelete) -> DocsRmReply:
    """How many documents went with it."""
    return DocsRmReply(removed=await call.services.documents.delete(request.collection))
