"""`config_ls`: every setting."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConfigLsReply
from samovar_protocol.requests import ConfigLs


def handle(call: Call, request: ConfigLs) -> ConfigLsReply:
    """All settings, sorted by key."""
    return ConfigLsReply(settings=call.services.settings.ls())
