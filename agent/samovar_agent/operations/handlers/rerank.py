"""`rerank`: documents by how well they answer a query."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import RerankReply
from samovar_protocol.requests import Rerank


async def handle(call: Call, request: Rerank) -> RerankReply:
    """Load progress, then the documents, best first; leaving early stops the worker."""
    items = call.services.instances.rerank(
        request.model,
        request.query,
        request.documents,
        top=request.top,
        priority=request.priority,
        client=call.requester,
    )
    return await call.relay(items)
