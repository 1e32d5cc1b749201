"""`conversation_change`: give a conversation another title, or other collections to ask."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationReply
from samovar_protocol.requests import ConversationChange


async def handle(call: Call, request: ConversationChange) -> ConversationReply:
    """The conversation as it is now."""
    changed = await call.services.conversations.change(request.id, title=request.title, collections=request.collections)
    return ConversationReply(conversation=changed)
