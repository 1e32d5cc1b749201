"""Whether the agent can answer now."""

import asyncio

import pytest

from samovar_agent.http import ready
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.conftest import KEY, Agent, Browser


@pytest.fixture(autouse=True)
def store(agent: Agent) -> None:
    async def ping() -> None: ...

    agent.store.ping = ping


async def test_it_says_what_is_in_memory(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [InstanceInfo(identifier="mine", model=KEY, state="loading")]
    answer = await browser.ask("GET", "/ready")
    assert answer.status == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["models"] == [{"identifier": "mine", "model": KEY, "state": "loading"}]


async def test_without_its_store_it_is_not(agent: Agent, browser: Browser) -> None:
    async def broken() -> None:
        raise SamovarError(FailureCode.DISK_FULL, "The disk is full.")

    agent.store.ping = broken
    answer = await browser.ask("GET", "/ready")
    assert answer.status == 503
    assert "The disk is full." in answer.error["message"]


async def test_a_store_that_hangs_is_none(agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_STORE_SECONDS", 0.05)
    agent.store.ping = asyncio.Event().wait
    answer = await browser.ask("GET", "/ready")
    assert answer.status == 503
    assert "does not answer" in answer.error["message"]


async def test_while_it_stops_it_says_so(agent: Agent, browser: Browser) -> None:
    agent.server._front.stopping = True
    answer = await browser.ask("GET", "/ready")
    assert (answer.status, answer.error["code"]) == (503, "shutting_down")


async def test_where_tokens_are_needed_any_will_do(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    assert (await browser.ask("GET", "/ready")).status == 401
    headers = {"x-api-key": agent.tokens.add("probe", "embed")}
    assert (await browser.ask("GET", "/ready", headers=headers)).status == 200
    assert (await browser.ask("GET", "/health")).status == 200
