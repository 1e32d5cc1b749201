"""Whose error shape a path has. A client that meets an error in another API's shape shows people nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from samovar_agent.http.anthropic.errors import error_body as anthropic
from samovar_agent.http.errors import error_body
from samovar_protocol import SamovarError

ErrorBody = Callable[[SamovarError], bytes]

_SHAPES: tuple[tuple[str, ErrorBody], ...] = (("/v1/messages", anthropic),)
"""Beginnings of paths, the first that fits counts; everything else speaks as OpenAI does."""


def error_shape(path: str) -> ErrorBody:
    """What makes the body of a failure at this path, whether anything is there or not."""
    return next((body for beginning, body in _SHAPES if path.startswith(beginning)), error_body)
