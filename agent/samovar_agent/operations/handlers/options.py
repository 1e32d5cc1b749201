"""`options`: every file of one model."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import OptionsReply
from samovar_protocol.requests import Options


async def handle(call: Call, request: Options) -> OptionsReply:
    """What the hub says, or what is known here."""
    return await call.services.catalog.options(request.name, requester=call.requester)
