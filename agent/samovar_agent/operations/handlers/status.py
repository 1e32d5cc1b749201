"""`status`: the whole state at a glance."""

from __future__ import annotations

import os

import psutil

from samovar_agent import __version__
from samovar_agent.operations.call import Call
from samovar_protocol.replies import StatusReply
from samovar_protocol.requests import Status


def handle(call: Call, request: Status) -> StatusReply:
    """What the tray draws; `sequence` says which events it already contains."""
    services = call.services
    return StatusReply(
        version=__version__,
        pid=os.getpid(),
        started_at=services.started_at,
        home=str(services.places.data),
        memory_bytes=psutil.Process().memory_info().rss,
        http=services.http,
        network=services.gate.info(),
        models=len(services.library.ls()),
        instances=services.instances.ls(),
        sequence=services.events.sequence,
    )
