"""`conversation_create`: begin a conversation that is kept."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationReply
from samovar_protocol.requests import ConversationCreate


async def handle(call: Call, request: ConversationCreate) -> ConversationReply:
    """The conversation, without messages."""
    return ConversationReply(conversation=await call.services.conversations.create(request.title, request.collections))
