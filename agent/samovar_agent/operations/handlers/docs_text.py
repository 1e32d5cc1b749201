"""`docs_text`: what a document says."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsTextReply
from samovar_protocol.requests import DocsText


async def handle(call: Call, request: DocsText) -> DocsTextReply:
    """The text from one place to another."""
    return await call.services.documents.text(request)
