"""`config_get`: one setting."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import ConfigReply
from samovar_protocol.requests import ConfigGet


def handle(call: Call, request: ConfigGet) -> ConfigReply:
    """The setting as it is; raises `setting_unknown`."""
    return ConfigReply(setting=call.services.settings.get(request.key))
