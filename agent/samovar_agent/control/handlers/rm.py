"""`rm`: delete a model from the library."""

from __future__ import annotations

from samovar_agent.control.call import Call
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import RmReply
from samovar_protocol.requests import Rm


async def handle(call: Call, request: Rm) -> RmReply:
    """What was removed; raises `model_in_use` while it is in memory."""
    key = call.services.library.key_of(request.name)
    users = [instance.identifier for instance in call.services.instances.ls() if instance.model == key]
    if users:
        raise SamovarError(
            FailureCode.MODEL_IN_USE,
            f"{key} is in memory as {', '.join(users)}.",
            hint=f"Run `samovar unload {users[0]}` first.",
        )
    return await call.services.library.rm(key)
