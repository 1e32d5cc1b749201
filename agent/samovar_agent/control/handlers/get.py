"""`get`: download a model of the catalog."""

from __future__ import annotations

from samovar_agent.control.call import Call
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get


async def handle(call: Call, request: Get) -> GetReply:
    """Progress as it comes, then the model; two clients asking for one model share the transfer."""
    return await call.services.downloads.get(
        request.name, source=request.source, requester=call.requester, on_progress=call.send
    )
