"""`docs_retry`: read again what failed."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsRetryReply
from samovar_protocol.requests import DocsRetry


async def handle(call: Call, request: DocsRetry) -> DocsRetryReply:
    """How many are queued."""
    return DocsRetryReply(queued=await call.services.documents.retry(request))
