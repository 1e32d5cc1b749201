"""Events over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, get_args

import aiohttp
import pytest

from samovar_agent.http.samovar import events as module
from samovar_agent.http.samovar.events import _SCOPES, MOST_WAITING, _Waiting
from samovar_protocol import SamovarError, events
from samovar_protocol.events import LibraryChanged, NetworkChanged, Stopping
from samovar_protocol.values import NetworkInfo
from tests.samovar_agent.http.conftest import Agent, Browser

PATH = "/api/samovar/events"


class Reader:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[int, str, Any]:
        """Id, event and data of the next one; an error has no id."""
        lines: dict[str, str] = {}
        async with asyncio.timeout(10):
            while (line := (await self.response.content.readline()).decode()) != "\n":
                assert line, "the stream has ended"
                name, _, value = line.rstrip("\n").partition(": ")
                lines[name] = value
        return int(lines.get("id", -1)), lines.get("event", ""), json.loads(lines["data"])


@asynccontextmanager
async def reading(agent: Agent, browser: Browser, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    async with browser.session.get(f"{agent.url}{PATH}{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Reader(response)


def test_every_event_of_the_protocol_is_a_topic() -> None:
    tags = {str(kind.__struct_config__.tag) for kind in get_args(events.AnyEvent)}
    assert tags - {"subscribed"} == set(_SCOPES)


async def test_who_has_subscribed_misses_nothing_and_sees_numbers(agent: Agent, browser: Browser) -> None:
    agent.events.publish(LibraryChanged(models=1))
    async with reading(agent, browser) as reader:
        number, kind, data = await reader.next()
        assert (kind, data["event"]["type"]) == ("subscribed", "subscribed")
        assert number == data["sequence"] == agent.events.sequence
        agent.events.publish(LibraryChanged(models=2))
        agent.events.publish(LibraryChanged(models=3))
        seen = [await reader.next() for _ in range(2)]
        assert [one[0] for one in seen] == [number + 1, number + 2]
        assert [one[2]["event"] for one in seen] == [{"type": "library", "models": 2}, {"type": "library", "models": 3}]


async def test_only_the_topics_that_were_asked_for(agent: Agent, browser: Browser) -> None:
    async with reading(agent, browser, "?topics=network,stopping") as reader:
        await reader.next()
        agent.events.publish(LibraryChanged(models=2))
        agent.events.publish(NetworkChanged(network=NetworkInfo(policy="ask", connected=True)))
        assert (await reader.next())[1] == "network"
    answer = await browser.ask("GET", f"{PATH}?topics=network,weather")
    assert (answer.status, answer.error["param"]) == (400, "topics")
    assert (await browser.ask("GET", f"{PATH}?topic=network")).status == 400


async def test_a_token_sees_what_its_scopes_allow(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    secret = agent.tokens.add("reader", "models")
    headers = {"x-api-key": secret}
    for topic in ("setting", "conversation", "collection,library"):
        answer = await browser.ask("GET", f"{PATH}?topics={topic}", headers=headers)
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert (await browser.ask("GET", PATH)).status == 401
    async with reading(agent, browser, "", **headers) as reader:
        await reader.next()
        agent.events.publish(events.SettingChanged(setting=agent.settings.get("server.port")))
        agent.events.publish(LibraryChanged(models=7))
        assert (await reader.next())[1] == "library"
        agent.tokens.revoke(secret)
        assert (await reader.next())[2]["error"]["code"] == "unauthorized"


async def test_a_client_that_leaves_is_forgotten(
    agent: Agent, browser: Browser, until: Callable[[Callable[[], bool]], Any]
) -> None:
    before = len(agent.events._listeners)
    async with reading(agent, browser) as reader:
        await reader.next()
        assert len(agent.events._listeners) == before + 1
        reader.response.close()
    await until(lambda: len(agent.events._listeners) == before)


async def test_a_slow_reader_holds_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = _Waiting(frozenset({"library"}))
    for number in range(MOST_WAITING):
        waiting.put(number, 0.0, None, LibraryChanged(models=number))
    data = await waiting.get()
    assert data.count(b"\n\n") == MOST_WAITING
    for number in range(MOST_WAITING + 1000):
        waiting.put(number, 0.0, None, LibraryChanged(models=number))
    assert not waiting._encoded
    with pytest.raises(SamovarError, match="events waited"):
        await waiting.get()


async def test_who_reads_too_slowly_is_told_and_the_stream_ends(
    agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    async with reading(agent, browser) as reader:
        await reader.next()
        for number in range(4):  # without a pause, so that nothing is sent in between
            agent.events.publish(LibraryChanged(models=number))
        assert (await reader.next())[2]["error"]["code"] == "busy"
        assert await reader.response.content.read() == b""


async def test_the_agents_end_ends_the_stream(agent: Agent, browser: Browser) -> None:
    async with reading(agent, browser) as reader:
        await reader.next()
        agent.events.publish(Stopping())
        assert (await reader.next())[1] == "stopping"
        stopping = asyncio.create_task(agent.server.stop())
        assert (await reader.next())[2]["error"]["code"] == "shutting_down"
        await stopping


def test_a_topic_needs_what_its_routes_need() -> None:
    job: Any = SimpleNamespace(check_scope=lambda scope: None)
    assert module._topics(module.EventsQuery(), job) == frozenset(_SCOPES)
