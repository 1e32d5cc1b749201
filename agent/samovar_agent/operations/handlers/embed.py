"""`embed`: vectors of texts."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import EmbedReply
from samovar_protocol.requests import Embed


async def handle(call: Call, request: Embed) -> EmbedReply:
    """Load progress, then the vectors; leaving early stops the worker."""
    items = call.services.instances.embed(
        request.model,
        request.inputs,
        dimensions=request.dimensions,
        priority=request.priority,
        client=call.requester,
    )
    return await call.relay(items)
