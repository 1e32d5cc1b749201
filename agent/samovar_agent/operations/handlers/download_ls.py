"""`download_ls`: downloads, running and past."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DownloadLsReply
from samovar_protocol.requests import DownloadLs


async def handle(call: Call, request: DownloadLs) -> DownloadLsReply:
    """Newest first."""
    return DownloadLsReply(downloads=await call.services.downloads.ls())
