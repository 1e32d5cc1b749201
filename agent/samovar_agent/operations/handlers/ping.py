"""`ping`: the cheapest round trip."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import PingReply
from samovar_protocol.requests import Ping


def handle(call: Call, request: Ping) -> PingReply:
    """Nothing but the answer."""
    return PingReply()
