"""`conversations`: conversations that are kept."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationsReply
from samovar_protocol.requests import Conversations


async def handle(call: Call, request: Conversations) -> ConversationsReply:
    """The last changed first."""
    return ConversationsReply(conversations=await call.services.conversations.ls(request.limit))
