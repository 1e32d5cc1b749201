"""`docs_export`: write a collection to one file."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DocsExportReply
from samovar_protocol.requests import DocsExport


async def handle(call: Call, request: DocsExport) -> DocsExportReply:
    """Progress, then the file."""
    return await call.services.documents.export(request, on_progress=call.send)
