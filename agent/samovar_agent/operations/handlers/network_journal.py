"""`network_journal`: what left this machine."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import NetworkJournalReply
from samovar_protocol.requests import NetworkJournal


async def handle(call: Call, request: NetworkJournal) -> NetworkJournalReply:
    """Newest first."""
    entries = await call.services.store.journal.ls(request.limit, purpose=request.purpose, before=request.before)
    return NetworkJournalReply(entries=entries)
