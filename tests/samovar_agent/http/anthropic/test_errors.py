"""Failures in Anthropic's shape."""

import json
from typing import Any

import pytest

from samovar_agent.events import cause
from samovar_agent.http.anthropic.errors import error_body
from samovar_agent.http.dialects import error_shape
from samovar_agent.http.errors import HttpRefusal, bad_request
from samovar_protocol import FailureCode, SamovarError


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        (FailureCode.BAD_REQUEST, "invalid_request_error"),
        (FailureCode.UNAUTHORIZED, "authentication_error"),
        (FailureCode.FORBIDDEN, "permission_error"),
        (FailureCode.MODEL_UNKNOWN, "not_found_error"),
        (FailureCode.TOO_LARGE, "request_too_large"),
        (FailureCode.MODEL_UNSUPPORTED, "invalid_request_error"),
        (FailureCode.BUSY, "rate_limit_error"),
        (FailureCode.WORKER_CRASHED, "api_error"),
        (FailureCode.INTERNAL, "api_error"),
        (FailureCode.SHUTTING_DOWN, "overloaded_error"),
        (FailureCode.DEADLINE_EXCEEDED, "timeout_error"),
        (FailureCode.NOT_ENOUGH_MEMORY, "api_error"),
    ],
)
def test_each_failure_has_one_of_anthropics_types(code: FailureCode, type_: str) -> None:
    assert json.loads(error_body(SamovarError(code, "No.", hint="Try this."))) == {
        "type": "error",
        "error": {"type": type_, "message": "No. Try this."},
        "request_id": None,
    }


def test_overload_has_a_status_of_its_own_there() -> None:
    body = json.loads(error_body(HttpRefusal(529, FailureCode.BUSY, "No.")))
    assert body["error"]["type"] == "overloaded_error"


def test_the_field_is_named_once() -> None:
    def message(text: str) -> str:
        return str(json.loads(error_body(bad_request(text, param="messages[0].role")))["error"]["message"])

    assert message("It is wrong.") == "messages[0].role: It is wrong."
    assert message("'messages[0].role' is wrong.") == "'messages[0].role' is wrong."


def test_coding_agents_see_that_the_prompt_is_too_long() -> None:
    details: Any = {"prompt_tokens": 9000, "context_length": 8192}
    error = SamovarError(FailureCode.CONTEXT_OVERFLOW, "The prompt has 9,000 tokens.", hint="Cut.", details=details)
    message = json.loads(error_body(error))["error"]["message"]
    assert message == "prompt is too long: 9000 tokens > 8192 maximum. Cut."


def test_the_request_is_named() -> None:
    token = cause.set("http-7")
    try:
        assert json.loads(error_body(SamovarError(FailureCode.INTERNAL, "No.")))["request_id"] == "http-7"
    finally:
        cause.reset(token)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"])
def test_its_paths_have_this_shape(path: str) -> None:
    assert error_shape(path) is error_body
