"""`hello`: who answers."""

from __future__ import annotations

import os

from samovar_agent import __version__
from samovar_agent.operations.call import Call
from samovar_protocol import PROTOCOL_VERSION
from samovar_protocol.replies import HelloReply
from samovar_protocol.requests import Hello


def handle(call: Call, request: Hello) -> HelloReply:
    """Protocol version, release and process."""
    return HelloReply(protocol=PROTOCOL_VERSION, version=__version__, pid=os.getpid())
