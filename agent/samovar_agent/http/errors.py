"""Failures as HTTP: one status for each code. Here is OpenAI's JSON shape; `dialects.py` says where which one is used.

{"error": {"message": "No model is called 'x'. Run `samovar ls`.", "type": "invalid_request_error",
           "param": "model", "code": "model_unknown"}}
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from samovar_agent.events import cause
from samovar_protocol import Failure, FailureCode, SamovarError

log = logging.getLogger("samovar.http")

STATUS: dict[str, int] = {
    FailureCode.BAD_REQUEST: 400,
    FailureCode.UNKNOWN_REQUEST: 400,
    FailureCode.UNSUPPORTED_VERSION: 400,
    FailureCode.TOO_LARGE: 413,
    FailureCode.UNAUTHORIZED: 401,
    FailureCode.FORBIDDEN: 403,
    FailureCode.NOT_FOUND: 404,
    FailureCode.AGENT_NOT_RUNNING: 503,
    FailureCode.AGENT_START_FAILED: 503,
    FailureCode.SHUTTING_DOWN: 503,
    FailureCode.MODEL_UNKNOWN: 404,
    FailureCode.MODEL_AMBIGUOUS: 404,
    FailureCode.MODEL_FILE_MISSING: 404,
    FailureCode.MODEL_FILE_BROKEN: 422,
    FailureCode.MODEL_UNSUPPORTED: 422,
    FailureCode.MODEL_IN_USE: 409,
    FailureCode.NOT_ENOUGH_MEMORY: 507,
    FailureCode.LOAD_FAILED: 500,
    FailureCode.CONTEXT_OVERFLOW: 400,
    FailureCode.BUSY: 429,
    # Not 408: that says that the request came too slowly, and browsers, proxies and SDKs then send it again.
    FailureCode.DEADLINE_EXCEEDED: 504,
    FailureCode.WORKER_CRASHED: 502,
    FailureCode.CANCELLED: 499,
    FailureCode.NETWORK_OFFLINE: 503,
    FailureCode.NETWORK_FAILED: 502,
    FailureCode.GATED: 403,
    FailureCode.DIGEST_MISMATCH: 502,
    FailureCode.DISK_FULL: 507,
    FailureCode.PATH_REFUSED: 400,
    FailureCode.SETTING_UNKNOWN: 404,
    FailureCode.SETTING_INVALID: 400,
    FailureCode.STORE_TOO_NEW: 500,
    FailureCode.INTERNAL: 500,
}
"""The HTTP status of each failure; a code from a newer part of the agent is 500."""

_RETRY_AFTER: dict[str, int] = {FailureCode.SHUTTING_DOWN: 5, FailureCode.BUSY: 2}
"""Seconds after which another try may work, at the least."""

_QUEUED_A_SECOND = 8
_MOST_RETRY_AFTER = 60

_WORTH_A_RETRY = frozenset({FailureCode.SHUTTING_DOWN, FailureCode.WORKER_CRASHED, FailureCode.NETWORK_FAILED})
"""SDKs repeat a request after 409, 429 and any 5xx by themselves; of 409 and 5xx only after these can that help."""

REQUEST_ID_HEADERS = ("x-request-id", "request-id")
"""Where OpenAI's and Anthropic's SDKs look for the id of a request."""

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class HttpRefusal(SamovarError):
    """A refusal that only HTTP knows, with a status of its own and perhaps headers, e.g. 405 and `Allow`."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.status = status
        self.headers = dict(headers or {})


def bad_request(message: str, *, param: str | None = None, hint: str = "") -> SamovarError:
    """The request's fault. - param: the field to look at, e.g. `messages[0].role`."""
    return SamovarError(FailureCode.BAD_REQUEST, message, hint=hint, details={"param": param} if param else None)


def encoding_unknown() -> HttpRefusal:
    """A body is compressed in a way that is not read here."""
    return HttpRefusal(
        415,
        FailureCode.BAD_REQUEST,
        "The header Content-Encoding names a compression that is not known here.",
        hint="Send the body by gzip, by deflate, or as it is.",
        headers={"Accept-Encoding": "gzip, deflate"},
    )


def as_samovar_error(error: Exception) -> SamovarError:
    """Any exception as a failure; one that nobody expected is logged with its traceback and told as `internal`."""
    if isinstance(error, SamovarError):
        return error
    log.error("a request failed unexpectedly", exc_info=error)
    return SamovarError(
        FailureCode.INTERNAL,
        "Something went wrong inside Samovar.",
        hint="`samovar logs` has the details; the next request may well work.",
    )


def status_of(error: SamovarError) -> int:
    """The HTTP status of a failure."""
    if error.code == FailureCode.MODEL_UNSUPPORTED and "param" in error.failure.details:
        return 400  # the model is fine, and one parameter is not for it
    return error.status if isinstance(error, HttpRefusal) else STATUS.get(error.code, 500)


def error_body(error: SamovarError) -> bytes:
    """The failure in OpenAI's shape."""
    failure: Failure = error.failure
    status = status_of(error)
    return msgspec.json.encode(
        {
            "error": {
                "message": str(error),
                "type": _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
                "param": failure.details.get("param"),
                "code": failure.code,
            }
        }
    )


def error_response(error: SamovarError, body: Callable[[SamovarError], bytes] = error_body) -> web.Response:
    """The failure as a whole response. - body: its JSON shape."""
    status = status_of(error)
    headers = {"Content-Type": "application/json"}
    if (id_ := cause.get()) is not None:
        headers |= dict.fromkeys(REQUEST_ID_HEADERS, id_)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.code in _RETRY_AFTER:
        headers["Retry-After"] = str(_retry_after(error))
    if (status == 409 or status >= 500) and error.code not in _WORTH_A_RETRY:
        headers["x-should-retry"] = "false"
    if isinstance(error, HttpRefusal):
        headers |= error.headers
    response = web.Response(status=status, body=body(error), headers=headers)
    if status in (408, 413):
        response.force_close()  # the rest of the body is on its way and nobody wants it
    return response


def _retry_after(error: SamovarError) -> int:
    """Seconds; more, the more requests wait, so that those who come back do not find the same queue again."""
    queued = error.failure.details.get("queued")
    longer = queued // _QUEUED_A_SECOND if isinstance(queued, int) else 0
    return min(max(_RETRY_AFTER[error.code], longer), _MOST_RETRY_AFTER)
