"""Every failure has a status, and everything that goes wrong has OpenAI's shape."""

import logging
from typing import Any

import pytest

from samovar_agent.http.errors import STATUS, error_response, status_of
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.http.conftest import Agent, Browser


def test_every_failure_code_has_a_status() -> None:
    assert set(STATUS) == set(FailureCode)
    assert all(400 <= status < 600 for status in STATUS.values())


def test_a_code_of_a_newer_part_is_a_500() -> None:
    assert status_of(SamovarError("never_heard_of", "?")) == 500


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        (FailureCode.SHUTTING_DOWN, None),
        (FailureCode.WORKER_CRASHED, None),
        (FailureCode.BUSY, None),
        (FailureCode.DEADLINE_EXCEEDED, "false"),
        (FailureCode.NOT_ENOUGH_MEMORY, "false"),
        (FailureCode.MODEL_IN_USE, "false"),
        (FailureCode.BAD_REQUEST, None),
    ],
)
def test_sdks_are_told_where_a_retry_is_useless(code: FailureCode, retry: str | None) -> None:
    assert error_response(SamovarError(code, "?")).headers.get("x-should-retry") == retry


@pytest.mark.parametrize("stream", [True, False])
async def test_too_many_at_once_are_told_when_to_come_back(agent: Agent, browser: Browser, stream: bool) -> None:
    agent.instances.items = [SamovarError(FailureCode.BUSY, "64 requests wait already.")]
    answer = await browser.chat(stream=stream)
    assert (answer.status, answer.error["type"], answer.error["code"]) == (429, "rate_limit_error", "busy")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/nothing", "/v1/models/", "/v1/chat/completions/x", "/%2e%2e/etc"]
)
async def test_unknown_routes_are_404(agent: Agent, browser: Browser, path: str) -> None:
    answer = await browser.ask("GET", path)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (404, "not_found", "not_found_error")
    assert "/openapi.json" in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", {"POST"}),
        ("PUT", "/v1/chat/completions", {"POST"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("OPTIONS", "/health", {"GET", "HEAD"}),
        ("PROPFIND", "/health", {"GET", "HEAD"}),
    ],
)
async def test_wrong_verbs_are_405_and_say_what_is_allowed(
    agent: Agent, browser: Browser, method: str, path: str, allow: set[str]
) -> None:
    answer = await browser.ask(method, path)
    assert answer.status == 405 and answer.error["code"] == "bad_request"
    assert set(answer.headers["Allow"].split(",")) == allow


async def test_a_defect_is_a_500_that_is_logged_and_costs_nobody_the_connection(
    agent: Agent, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    agent.instances.items = [ZeroDivisionError("secret detail")]
    ports = set()
    for _ in range(2):
        with caplog.at_level(logging.ERROR, "samovar.http"):
            url = agent.url + "/v1/chat/completions"
            body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a private prompt"}]}
            async with browser.session.post(url, json=body) as response:
                assert response.connection is None or response.connection.transport is not None
                error = (await response.json())["error"]
                assert (response.status, error["code"], error["type"]) == (500, "internal", "server_error")
                assert "secret detail" not in error["message"]
        assert browser.session.connector is not None
        ports.add(len(browser.session.connector._conns))
    assert ports == {1}, "the connection is in the pool again"
    assert "ZeroDivisionError" in caplog.text
    assert "a private prompt" not in caplog.text


async def test_the_access_log_is_for_debugging_and_has_no_prompts(
    idle_agent: Agent, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    await idle_agent.start()
    with caplog.at_level(logging.INFO, "samovar.http"):
        await browser.ask("GET", "/health", headers={"Connection": "close"})
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, "samovar.http"):
        await browser.chat(messages=[{"role": "user", "content": "a private prompt"}])
        await browser.ask("GET", "/v1/x%0Aforged?key=private")
    assert "POST /v1/chat/completions 200" in caplog.text
    assert "GET /v1/x%0Aforged 404" in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize(("queued", "seconds"), [(0, 2), (10, 2), (64, 8), (256, 32), (1_000_000, 60)])
def test_the_longer_the_queue_the_later_to_come_back(queued: int, seconds: int) -> None:
    error = SamovarError(FailureCode.BUSY, "Many wait.", details={"queued": queued})
    assert error_response(error).headers["Retry-After"] == str(seconds)
