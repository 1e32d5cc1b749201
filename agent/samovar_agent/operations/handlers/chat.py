"""`chat`: continue a conversation, streamed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from samovar_agent.operations.call import Call
from samovar_protocol import SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.requests import Chat
from samovar_protocol.values import AnyDelta, Message, Progress, Text


async def handle(call: Call, request: Chat) -> ChatReply:
    """Load progress and text as they come, then the whole reply; leaving early stops the worker."""
    services = call.services
    if request.conversation is not None:
        await services.conversations.get(request.conversation)  # says that it is not there before anything is computed
    said: list[str] = []
    items = services.instances.generate(
        request.model, request.messages, request.sampling, request.options, client=call.requester
    )
    try:
        reply = await call.relay(_noted(items, said))
    except asyncio.CancelledError:
        # Whoever stops a reply has read the beginning, and goes on from there.
        if said:
            with contextlib.suppress(SamovarError):
                await _keep(call, request, Message(role="assistant", content="".join(said)), request.model)
        raise
    answer = Message(
        role="assistant", content=reply.text, tool_calls=reply.tool_calls, reasoning=reply.reasoning or None
    )
    await _keep(call, request, answer, reply.model)
    return reply


async def _noted(
    items: AsyncGenerator[AnyDelta | Progress | ChatReply, None], said: list[str]
) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Text) and not item.choice:
                said.append(item.text)
            yield item


async def _keep(call: Call, request: Chat, answer: Message, model: str | None) -> None:
    if request.conversation is not None:
        await call.services.conversations.keep(request.conversation, request.messages[-1], answer, model=model)
