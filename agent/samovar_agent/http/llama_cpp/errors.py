"""Failures in the shape of llama.cpp's server.

{"error": {"code": 400, "message": "'input_prefix' is missing.", "type": "invalid_request_error",
           "param": "input_prefix"}}
"""

from __future__ import annotations

import msgspec

from samovar_agent.http.errors import status_of
from samovar_protocol import FailureCode, SamovarError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "unavailable_error",
    503: "unavailable_error",
}


def error_body(error: SamovarError) -> bytes:
    """The failure; `param` is an addition."""
    status, details = status_of(error), error.failure.details
    body = {
        "code": status,
        "message": str(error),
        "type": _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
        "param": details.get("param"),
    }
    if error.code == FailureCode.CONTEXT_OVERFLOW:
        body |= {
            "type": "exceed_context_size_error",
            "n_prompt_tokens": details.get("prompt_tokens"),
            "n_ctx": details.get("context_length"),
        }
    return msgspec.json.encode({"error": body})
