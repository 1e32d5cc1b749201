"""`download_cancel`: end a download and delete what came."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DownloadReply
from samovar_protocol.requests import DownloadCancel


async def handle(call: Call, request: DownloadCancel) -> DownloadReply:
    """The download as it is then."""
    return DownloadReply(download=await call.services.downloads.cancel(request.id))
