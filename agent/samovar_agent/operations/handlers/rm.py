"""`rm`: delete a model from the library."""

from __future__ import annotations

from pathlib import Path

from samovar_agent.operations.call import Call
from samovar_protocol.replies import RmReply
from samovar_protocol.requests import Rm


async def handle(call: Call, request: Rm) -> RmReply:
    """What was removed; raises `model_in_use` while it is in memory."""
    services = call.services
    key = services.library.key_of(request.name)
    with services.instances.kept_out(key):
        info = services.library.info(key)
        if info.state == "partial" and await services.downloads.cancel_of(Path(info.path)):
            # What was not the download's. By its name alone another model could be meant, now that this one is gone.
            if any((left.key, left.path) == (key, info.path) for left in services.library.ls()):
                await services.library.rm(key)
            return RmReply(key=key, freed_bytes=info.size_bytes)
        return await services.library.rm(key)
