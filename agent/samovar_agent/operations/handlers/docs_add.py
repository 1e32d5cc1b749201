"""`docs_add`: take files, folders or a text into a collection."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsAddReply
from samovar_protocol.requests import DocsAdd


async def handle(call: Call, request: DocsAdd) -> DocsAddReply:
    """Progress while it is read, then what came of it."""
    return await call.services.documents.add(request, on_progress=call.send)
