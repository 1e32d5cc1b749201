"""`docs_watch`: keep a source in step, or no longer."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsWatchReply
from samovar_protocol.requests import DocsWatch


async def handle(call: Call, request: DocsWatch) -> DocsWatchReply:
    """The source as it is now."""
    return DocsWatchReply(source=await call.services.documents.watch(request))
