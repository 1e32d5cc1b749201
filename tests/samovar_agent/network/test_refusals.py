"""Statuses and errors in words that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from multidict import CIMultiDict

from samovar_agent.network.refusals import connection_failure, refusal_of, retry_after_seconds, web_page
from samovar_protocol import FailureCode


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=CIMultiDict)
    url: str = "https://hub.example/someone/tiny"


@pytest.mark.parametrize(
    ("status", "headers", "code", "words"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, FailureCode.GATED, "agreement"),
        (403, {"x-error-code": "GatedRepo"}, FailureCode.GATED, "no access"),
        (401, {"X-Error-Code": "RepoNotFound"}, FailureCode.NOT_FOUND, "private"),
        (404, {"X-Error-Code": "RepoNotFound"}, FailureCode.NOT_FOUND, "private"),
        (404, {"X-Error-Code": "EntryNotFound"}, FailureCode.NOT_FOUND, "no the-model"),
        (404, {"X-Error-Code": "RevisionNotFound"}, FailureCode.NOT_FOUND, "revision"),
        (404, {}, FailureCode.NOT_FOUND, "no the-model"),
        (410, {}, FailureCode.NOT_FOUND, "the-model"),
        (451, {}, FailureCode.NOT_FOUND, "the-model"),
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, FailureCode.GATED, "token"),
        (401, {}, FailureCode.GATED, "permission"),
        (403, {}, FailureCode.GATED, "permission"),
        (407, {}, FailureCode.NETWORK_FAILED, "proxy"),
        (416, {}, FailureCode.NETWORK_FAILED, "416"),
        (429, {"Retry-After": "7"}, FailureCode.NETWORK_FAILED, "too many"),
        (500, {}, FailureCode.NETWORK_FAILED, "trouble"),
        (503, {}, FailureCode.NETWORK_FAILED, "trouble"),
        (304, {}, FailureCode.NETWORK_FAILED, "304"),
        (999, {}, FailureCode.NETWORK_FAILED, "trouble"),
    ],
)
def test_each_status_has_its_words(status: int, headers: dict[str, str], code: str, words: str) -> None:
    error = refusal_of(Answer(status, CIMultiDict(headers)), "the-model")
    assert error.code == code
    assert words in error.failure.message
    assert error.hint
    assert error.failure.details["status"] == status
    assert error.failure.details["host"] == "hub.example"
    if status == 429:
        assert error.failure.details["retry_after_seconds"] == 7
        assert "in 7 s" in error.hint


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "9" * 5000}, 86_400),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:10:00 GMT"}, 500),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"Retry-After": "Thu, 01 Jan 2970 00:00:00 GMT"}, 86_400),
        ({"Retry-After": "Thu, 99 Jan 1970 00:00:00 GMT"}, None),
        ({"RateLimit": '"api";r=0;t=55'}, 55),
        ({"RateLimit": "nonsense"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(CIMultiDict(headers), now=100.0) == seconds


def test_a_page_is_told_from_data() -> None:
    assert web_page(Answer(200, CIMultiDict({"Content-Type": "application/octet-stream"}))) is None
    assert web_page(Answer(200)) is None
    error = web_page(Answer(200, CIMultiDict({"Content-Type": "Text/HTML; charset=utf-8"})))
    assert error
    assert error.code == FailureCode.NETWORK_FAILED


def test_what_nobody_thought_of_still_has_a_sentence() -> None:
    error = connection_failure("hub.example", RuntimeError("x" * 10_000))
    assert error.code == FailureCode.NETWORK_FAILED
    assert len(error.failure.message) < 200
