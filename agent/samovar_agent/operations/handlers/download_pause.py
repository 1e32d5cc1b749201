"""`download_pause`: stop a download and keep what came."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DownloadReply
from samovar_protocol.requests import DownloadPause


async def handle(call: Call, request: DownloadPause) -> DownloadReply:
    """The download as it is then."""
    return DownloadReply(download=await call.services.downloads.pause(request.id))
