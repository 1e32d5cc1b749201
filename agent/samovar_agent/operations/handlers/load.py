"""`load`: bring a model into memory."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import LoadReply
from samovar_protocol.requests import Load


async def handle(call: Call, request: Load) -> LoadReply:
    """Progress, then the instance and what it was estimated to take; with `estimate_only` the estimate alone."""
    instances = call.services.instances
    if request.estimate_only:
        return LoadReply(estimate=instances.estimate(request.name, context=request.context))
    return await instances.load(
        request.name,
        context=request.context,
        ttl_seconds=request.ttl_seconds,
        identifier=request.identifier,
        force=request.force,
        on_progress=call.send,
    )
