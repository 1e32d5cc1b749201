"""Streams: late start, heartbeats, slow and vanished readers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.http import sse
from samovar_protocol.values import Text
from tests.samovar_agent.http.conftest import Agent, Answer, Browser
from tests.samovar_agent.http.test_server import open_deaf_stream


async def test_a_disconnect_closes_the_generator(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Text(text="Once"), asyncio.Event()]
    async with browser.open_stream() as response:
        await response.content.readuntil(b"Once")
        response.close()
    async with asyncio.timeout(5):
        await agent.instances.closed.wait()


async def test_a_disconnect_before_the_first_token_closes_the_generator(
    agent: Agent, until: Callable[..., Any]
) -> None:
    agent.instances.items = [asyncio.Event()]
    writer = await open_deaf_stream(agent)
    await until(lambda: bool(agent.instances.calls))
    writer.close()
    async with asyncio.timeout(5):
        await agent.instances.closed.wait()


async def test_a_disconnect_stops_a_busy_stream_within_a_step(agent: Agent, browser: Browser) -> None:
    agent.instances.endless = True
    async with browser.open_stream() as response:
        await response.content.readuntil(b"and so on")
        response.close()
    async with asyncio.timeout(5):
        await agent.instances.closed.wait()


async def test_a_slow_reader_holds_the_generator_back(agent: Agent, until: Callable[..., Any]) -> None:
    agent.instances.endless = True
    writer = await open_deaf_stream(agent)
    await until(lambda: agent.instances.said > 10)
    said = -1
    async with asyncio.timeout(10):
        while said != agent.instances.said:  # still for 0.2 s: the socket's buffers are full
            said = agent.instances.said
            await asyncio.sleep(0.2)
    assert said * 1000 < 16 * 1024**2
    assert not agent.instances.closed.is_set()
    writer.close()
    await agent.instances.closed.wait()


async def test_a_reader_that_takes_nothing_for_long_is_dropped(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    agent.instances.endless = True
    writer = await open_deaf_stream(agent)
    async with asyncio.timeout(10):
        await agent.instances.closed.wait()
    writer.close()


async def test_a_silent_engine_gets_a_heartbeat(
    agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    go_on = asyncio.Event()
    agent.instances.items = [go_on, Text(text="At last")]
    async with browser.open_stream() as response, asyncio.timeout(5):
        start = await response.content.readuntil(b": waiting\n\n: waiting\n\n")
        go_on.set()
        answer = Answer(response.status, response.headers, start + await response.read())
    assert answer.events[1]["choices"][0]["delta"] == {"content": "At last"}
    assert answer.events[-1] == "[DONE]"
