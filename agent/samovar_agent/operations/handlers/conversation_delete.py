"""`conversation_delete`: remove a conversation."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConversationDeleteReply
from samovar_protocol.requests import ConversationDelete


async def handle(call: Call, request: ConversationDelete) -> ConversationDeleteReply:
    """Whether there was one."""
    return ConversationDeleteReply(found=await call.services.conversations.delete(request.id))
