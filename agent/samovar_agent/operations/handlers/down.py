"""`down`: stop the agent."""

from __future__ import annotations

import os

from samovar_agent.operations.call import Call
from samovar_protocol.replies import DownReply
from samovar_protocol.requests import Down


def handle(call: Call, request: Down) -> DownReply:
    """Begin the shutdown; the answer still goes out."""
    call.services.stop()
    return DownReply(pid=os.getpid())
