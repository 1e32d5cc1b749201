"""`unload`: take models out of memory."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import UnloadReply
from samovar_protocol.requests import Unload


async def handle(call: Call, request: Unload) -> UnloadReply:
    """Identifiers that are gone now; raises `model_unknown` where nothing has that name."""
    if request.all:
        return UnloadReply(identifiers=await call.services.instances.unload_all())
    if request.name is None:
        raise SamovarError(
            FailureCode.BAD_REQUEST, "`unload` needs a name or `all`.", hint="`samovar ps` lists what is in memory."
        )
    return UnloadReply(identifiers=[await call.services.instances.unload(request.name)])
