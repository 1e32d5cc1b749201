"""`conversation_show`: a conversation with its messages."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationReply
from samovar_protocol.requests import ConversationShow


async def handle(call: Call, request: ConversationShow) -> ConversationReply:
    """The conversation and every message."""
    return await call.services.conversations.show(request.id)
