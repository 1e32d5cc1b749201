"""Failures in Anthropic's shape.

{"type": "error", "error": {"type": "not_found_error", "message": "No model here is called 'x'."},
 "request_id": "http-3"}
"""

from __future__ import annotations

import msgspec

from samovar_agent.events import cause
from samovar_agent.http.errors import status_of
from samovar_protocol import FailureCode, SamovarError

HEADER = "anthropic-version"
"""Says that a request means this API, where another one has the same path; Anthropic's clients always send it."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(error: SamovarError) -> bytes:
    """The failure as Anthropic's clients read it."""
    status = status_of(error)
    type_ = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    told: dict[str, object] = {"type": type_, "message": _message(error)}
    if (code := error.failure.details.get("error_code")) is not None:
        told["details"] = {"error_code": code}
    return msgspec.json.encode({"type": "error", "error": told, "request_id": cause.get()})


def _message(error: SamovarError) -> str:
    """The sentence, with what OpenAI's shape has fields for."""
    details = error.failure.details
    if error.code == FailureCode.CONTEXT_OVERFLOW and {"prompt_tokens", "context_length"} <= details.keys():
        # Coding agents look for these words, and then shorten the conversation by themselves.
        hint = error.failure.hint
        return f"prompt is too long: {details['prompt_tokens']} tokens > {details['context_length']} maximum. {hint}"
    param, text = details.get("param"), str(error)
    return f"{param}: {text}" if param and str(param) not in text else text
