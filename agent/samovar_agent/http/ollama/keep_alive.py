"""How long a model stays in memory: `keep_alive`, in seconds or in Go's notation; negative means for ever."""

from __future__ import annotations

import math
import re

from msgspec import UNSET, UnsetType

from samovar_agent.http.errors import bad_request

KeepAlive = float | str | None
"""As it comes in a body; null and an empty text are the same as leaving it out."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"[+-]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})", re.ASCII)
_PIECE = re.compile(r"(\d{1,300}\.?\d{0,300}|\.\d{1,300})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LONGEST_SECONDS = 10 * 365 * 86_400.0
"""Longer is for ever; timers cannot count to just any number."""


def ttl_seconds(given: KeepAlive) -> float | UnsetType | None:
    """The time; None for ever, UNSET where none was given. Raises `bad_request`."""
    if given is None or given == "":
        return UNSET
    seconds = _seconds(given) if isinstance(given, str) else float(given)
    if seconds is None or math.isnan(seconds):
        raise bad_request(
            f"'keep_alive' is not valid: {str(given)[:50]!r} is no duration.",
            param="keep_alive",
            hint="Send seconds as a number, or a text like '5m', '1h30m' or '-1'.",
        )
    return None if seconds < 0 or seconds > _LONGEST_SECONDS else seconds


def _seconds(text: str) -> float | None:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    sign, body = (-1.0 if text.startswith("-") else 1.0), text.lstrip("+-")
    if len(text) - len(body) > 1 or len(body) > 1000:
        return None
    total, end = 0.0, 0
    for piece in _PIECE.finditer(body):
        if piece.start() != end:
            return None
        total += float(piece[1]) * _UNITS[piece[2]]
        end = piece.end()
    return sign * total if body and end == len(body) else None
