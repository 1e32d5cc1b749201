"""`docs_search`: passages that fit a query."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsSearch


async def handle(call: Call, request: DocsSearch) -> DocsSearchReply:
    """Progress of loading a model, then the passages."""
    return await call.relay(call.services.documents.search(request, client=call.requester))
