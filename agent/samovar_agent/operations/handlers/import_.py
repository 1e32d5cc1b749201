"""`import`: take a GGUF file into the library."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ImportReply
from samovar_protocol.requests import Import


async def handle(call: Call, request: Import) -> ImportReply:
    """Progress of a copy, then the model under its new key."""
    model = await call.services.library.import_(
        request.path, mode=request.mode, name=request.name, on_progress=call.send
    )
    return ImportReply(model=model)
