"""`docs_rm`: remove documents from a collection."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsRmReply
from samovar_protocol.requests import DocsRm


async def handle(call: Call, request: DocsRm) -> DocsRmReply:
    """How many went."""
    return DocsRmReply(removed=await call.services.documents.rm(request))
