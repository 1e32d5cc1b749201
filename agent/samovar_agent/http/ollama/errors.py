"""Failures in Ollama's shape, `{"error": "sentence"}`: as a whole response, and as the last line of a stream."""

from __future__ import annotations

import msgspec

from samovar_protocol import FailureCode, SamovarError


def error_body(error: SamovarError) -> bytes:
    """The failure in Ollama's shape."""
    return msgspec.json.encode({"error": str(error)})


def lacks(name: str, what: str) -> SamovarError:
    """What to raise where a model cannot do `what`; clients look for these very words, and then go without."""
    return SamovarError(FailureCode.BAD_REQUEST, f'"{name}" does not support {what}.')
