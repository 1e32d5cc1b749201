"""`verify`: read models again and compare digests."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import VerifyReply
from samovar_protocol.requests import Verify


async def handle(call: Call, request: Verify) -> VerifyReply:
    """Progress as it comes, then the findings."""
    return VerifyReply(models=await call.services.library.verify(request.name, on_progress=call.send))
