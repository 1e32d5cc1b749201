"""`docs_ask`: an answer from documents, streamed."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsAskReply
from samovar_protocol.requests import DocsAsk


async def handle(call: Call, request: DocsAsk) -> DocsAskReply:
    """The answer in pieces, then all of it with its citations."""
    return await call.relay(call.services.documents.ask(request, client=call.requester))
