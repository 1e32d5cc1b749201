"""`ps`: models in memory."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import PsReply
from samovar_protocol.requests import Ps


def handle(call: Call, request: Ps) -> PsReply:
    """Instances, oldest first."""
    return PsReply(instances=call.services.instances.ls())
