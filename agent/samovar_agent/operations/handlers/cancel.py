"""`cancel`: stop one of the client's own requests."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import CancelReply
from samovar_protocol.requests import Cancel


def handle(call: Call, request: Cancel) -> CancelReply:
    """Stop it within one decode step; its own answer says `cancelled`."""
    return CancelReply(found=call.cancel(request.target))
