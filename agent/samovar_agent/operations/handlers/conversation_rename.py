"""`conversation_rename`: give a conversation another title."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationReply
from samovar_protocol.requests import ConversationRename


async def handle(call: Call, request: ConversationRename) -> ConversationReply:
    """The conversation as it is now."""
    return ConversationReply(conversation=await call.services.conversations.rename(request.id, request.title))
