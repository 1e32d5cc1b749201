"""`rm`: delete a model from the library."""

from __future__ import annotations

from samovar_agent.control.call import Call
from samovar_protocol.replies import RmReply
from samovar_protocol.requests import Rm


async def handle(call: Call, request: Rm) -> RmReply:
    """What was removed; raises `model_in_use` while it is in memory."""
    key = call.services.library.key_of(request.name)
    with call.services.instances.kept_out(key):
        return await call.services.library.rm(key)
