"""`chat`: continue a conversation, streamed."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ChatReply
from samovar_protocol.requests import Chat
from samovar_protocol.values import Message


async def handle(call: Call, request: Chat) -> ChatReply:
    """Load progress and text as they come, then the whole reply; leaving early stops the worker."""
    services = call.services
    if request.conversation is not None:
        await services.conversations.get(request.conversation)  # says that it is not there before anything is computed
    items = services.instances.generate(
        request.model, request.messages, request.sampling, request.options, client=call.requester
    )
    reply = await call.relay(items)
    if request.conversation is not None:
        await services.conversations.keep(
            request.conversation,
            request.messages[-1],
            Message(
                role="assistant",
                content=reply.text,
                tool_calls=reply.tool_calls,
                reasoning=reply.reasoning or None,
            ),
            model=reply.model,
        )
    return reply
