"""`chat`: continue a conversation, streamed."""

from __future__ import annotations

from samovar_agent.control.call import Call
from samovar_protocol.replies import ChatReply
from samovar_protocol.requests import Chat


async def handle(call: Call, request: Chat) -> ChatReply:
    """Load progress and text as they come, then the whole reply; leaving early stops the worker."""
    instances = call.services.instances
    items = instances.generate(
        request.model, request.messages, request.sampling, request.options, client=call.requester
    )
    return await call.relay(items)
