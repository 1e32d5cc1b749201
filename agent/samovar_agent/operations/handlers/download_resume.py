"""`download_resume`: go on with a download."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DownloadReply
from samovar_protocol.requests import DownloadResume


async def handle(call: Call, request: DownloadResume) -> DownloadReply:
    """The download as it is then."""
    return DownloadReply(download=await call.services.downloads.resume(request.id))
