"""Start and stop: what is announced, and what happens to clients that are there."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from samovar_protocol.events import AnyEvent, HttpChanged
from samovar_protocol.values import HttpInfo, Text
from tests.samovar_agent.http.conftest import Agent, Answer, Browser


async def test_start_and_stop_are_announced(idle_agent: Agent) -> None:
    heard: list[AnyEvent] = []
    idle_agent.events.subscribe(lambda _sequence, _time, _cause, event: heard.append(event))

    info = await idle_agent.start()

    assert info.urls[0].startswith("http://127.0.0.1:") and info.problem is None
    assert idle_agent.services.http == info and heard == [HttpChanged(http=info)]
    await idle_agent.server.stop()
    assert idle_agent.services.http == HttpInfo() and heard[-1] == HttpChanged(http=HttpInfo())
    assert not idle_agent.tokens.listeners
    await idle_agent.server.stop()
    assert len(heard) == 2


async def test_the_server_can_start_again(agent: Agent, browser: Browser) -> None:
    await agent.server.stop()
    await agent.start()
    assert (await browser.ask("GET", "/health")).status == 200


async def test_health(agent: Agent, browser: Browser) -> None:
    answer = await browser.ask("GET", "/health")
    assert answer.json().keys() == {"status", "version"} and answer.json()["status"] == "ok"
    assert (await browser.ask("HEAD", "/health")).status == 200


async def test_a_stop_ends_a_stream_with_an_error_event(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Text(text="Once"), asyncio.Event()]
    async with browser.open_stream() as response:
        first = await response.content.readuntil(b"Once")
        await agent.server.stop()
        rest = Answer(response.status, response.headers, first + await response.read())
    assert rest.events[-1]["error"]["code"] == "shutting_down"
    assert "[DONE]" not in rest.events
    assert agent.instances.closed.is_set()


async def test_a_stop_answers_whole_requests_with_503(
    agent: Agent, browser: Browser, until: Callable[..., Any]
) -> None:
    agent.instances.items = [asyncio.Event()]
    asking = asyncio.create_task(browser.chat())
    await until(lambda: bool(agent.instances.calls))
    await agent.server.stop()
    answer = await asking
    assert (answer.status, answer.error["code"]) == (503, "shutting_down")
    assert answer.headers["Retry-After"]


async def test_new_requests_during_a_stop_are_503(
    agent: Agent, browser: Browser, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_end = asyncio.Event()

    async def generate(*_: object, **__: object) -> Any:
        agent.instances.calls.append(("", [], None))  # type: ignore[arg-type]
        try:
            await asyncio.Event().wait()
            yield
        finally:
            await slow_end.wait()

    monkeypatch.setattr(agent.instances, "generate", generate)
    asking = asyncio.create_task(browser.chat())
    await until(lambda: bool(agent.instances.calls))
    stopping = asyncio.create_task(agent.server.stop())
    await asyncio.sleep(0)

    refused = await browser.ask("GET", "/v1/models")

    assert (refused.status, refused.error["code"]) == (503, "shutting_down")
    assert refused.headers["Retry-After"]
    slow_end.set()
    await stopping
    assert (await asking).status == 503


async def test_after_a_stop_nobody_listens(agent: Agent, browser: Browser) -> None:
    await agent.server.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await browser.ask("GET", "/health")


async def test_a_stop_does_not_wait_for_a_client_that_does_not_read(
    agent: Agent, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samovar_agent.http.server.GRACE_SECONDS", 0.2)
    agent.instances.endless = True
    writer = await open_deaf_stream(agent)
    await until(lambda: agent.instances.said > 100)
    async with asyncio.timeout(5):
        await agent.server.stop()
    assert agent.instances.closed.is_set()
    writer.close()


async def open_deaf_stream(agent: Agent) -> asyncio.StreamWriter:
    """A client that asks for a stream and takes nothing of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", agent.port, limit=1)
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": ""}]}'
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    return writer
