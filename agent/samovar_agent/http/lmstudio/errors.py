"""Failures in LM Studio's shape.

{"error": {"message": "No model is called 'x'.", "type": "model_not_found", "code": "model_unknown"}}
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.errors import status_of
from samovar_protocol import FailureCode, SamovarError

ErrorType = Literal[
    "invalid_request",
    "unknown",
    "mcp_connection_error",
    "plugin_connection_error",
    "not_implemented",
    "model_not_found",
    "job_not_found",
    "internal_error",
]
"""The types that LM Studio documents; some are of things that there are not here."""

_OF_MODELS = frozenset({FailureCode.MODEL_UNKNOWN, FailureCode.MODEL_AMBIGUOUS, FailureCode.MODEL_FILE_MISSING})
_SAID: dict[str, ErrorType] = {"not_implemented": "not_implemented", "job_not_found": "job_not_found"}
"""Those that whoever raises them says, in a failure's details."""
_TYPE, _CODE = "lmstudio_type", "lmstudio_code"


class ErrorObject(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong. - code: more exactly than the type. - param: the field to look at."""

    message: str
    type: ErrorType
    code: str
    param: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a failure."""

    error: ErrorObject


def error_object(error: SamovarError) -> ErrorObject:
    """The failure as it stands in a body, or in an event."""
    details = error.failure.details
    param = details.get("param")
    return ErrorObject(
        message=str(error),
        type=_type_of(error),
        code=str(details.get(_CODE, error.code)),
        param=UNSET if param is None else str(param),
    )


def error_body(error: SamovarError) -> bytes:
    """The body of a response that failed."""
    return msgspec.json.encode(ErrorBody(error=error_object(error)))


def not_implemented(message: str, *, param: str, hint: str = "") -> SamovarError:
    """What LM Studio can do and this program cannot."""
    return _of_type("not_implemented", FailureCode.BAD_REQUEST, message, param=param, hint=hint)


def job_not_found(id_: str) -> SamovarError:
    """No download has this id."""
    return _of_type("job_not_found", FailureCode.NOT_FOUND, f"There is no download job '{id_[:40]}'.", param="job_id")


def invalid_value(message: str, *, param: str, hint: str = "") -> SamovarError:
    """A value that is one, and cannot be had here; with the code that LM Studio's clients look for."""
    return SamovarError(FailureCode.BAD_REQUEST, message, hint=hint, details={"param": param, _CODE: "invalid_value"})


def _of_type(type_: ErrorType, code: str, message: str, *, param: str, hint: str = "") -> SamovarError:
    return SamovarError(code, message, hint=hint, details={"param": param, _TYPE: type_, _CODE: type_})


def _type_of(error: SamovarError) -> ErrorType:
    if (known := error.failure.details.get(_TYPE)) is not None:
        return _SAID[str(known)]
    if error.code in _OF_MODELS:
        return "model_not_found"
    return "invalid_request" if status_of(error) < 500 else "internal_error"
