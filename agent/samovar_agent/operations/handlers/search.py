"""`search`: models on the hub and in the catalog."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import SearchReply
from samovar_protocol.requests import Search


async def handle(call: Call, request: Search) -> SearchReply:
    """What the hub says, or what it said the last time."""
    return await call.services.catalog.search(
        request.query, sort=request.sort, limit=request.limit, requester=call.requester
    )
