"""`docs_ls`: documents and where they come from."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsLsReply
from samovar_protocol.requests import DocsLs


async def handle(call: Call, request: DocsLs) -> DocsLsReply:
    """A portion of them."""
    return await call.services.documents.ls(request)
