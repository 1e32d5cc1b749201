"""Clients that send too slowly."""

from __future__ import annotations

from aiohttp import web

from samovar_agent.http.errors import HttpRefusal
from samovar_protocol import FailureCode

BODY_SECONDS = 60.0
BODY_BYTES = 4096
"""In each such time a body that is waited for must bring so many bytes, or end."""


class SlowBodyError(web.RequestPayloadError):
    """What reading a body raises where it comes too slowly."""


def too_slow(message: str, seconds: float) -> HttpRefusal:
    """A 408. - message: with a place for the seconds."""
    return HttpRefusal(408, FailureCode.BAD_REQUEST, message.format(seconds), hint="Send it again, at once.")
