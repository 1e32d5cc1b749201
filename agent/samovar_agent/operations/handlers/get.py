"""`get`: download a model."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get


async def handle(call: Call, request: Get) -> GetReply:
    """Progress as it comes, then the model; clients that ask for one model share its download."""
    return await call.services.downloads.get(request, requester=call.requester, on_progress=call.send)
