"""`ls`: models on this machine."""

from __future__ import annotations

from collections import defaultdict

from msgspec.structs import replace

from samovar_agent.operations.call import Call
from samovar_protocol.replies import LsReply
from samovar_protocol.requests import Ls


async def handle(call: Call, request: Ls) -> LsReply:
    """The library, each model with the instances that run it."""
    await call.services.library.refresh(believing=True)  # files that were put into a folder by hand; milliseconds
    loaded: dict[str, list[str]] = defaultdict(list)
    for instance in call.services.instances.ls():
        loaded[instance.model].append(instance.identifier)
    models = call.services.library.ls()
    return LsReply(
        models=[replace(model, loaded=loaded[model.key]) if model.key in loaded else model for model in models]
    )
