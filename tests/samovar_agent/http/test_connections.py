"""How many connections there may be, and how slow they may be."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.http import binding, connection, connections, json_body
from samovar_protocol.values import Text
from tests.samovar_agent.http.conftest import Agent, Browser, chat_body
from tests.samovar_agent.http.raw import ask, connected, request

JSON = "Content-Type: application/json"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes long, does so at once."""
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(json_body, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(connection, "STALLED_SECONDS", 0.3)
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1.0)


async def test_more_connections_than_may_be_are_refused(idle_agent: Agent, until: Callable[..., Any]) -> None:
    idle_agent.settings.set("server.max_connections", 2)
    await idle_agent.start()
    async with connected(idle_agent.port) as one, connected(idle_agent.port) as two:
        for wire in (one, two):
            wire.send(request("GET", "/health"))
            assert (await wire.answer()).status == 200
        async with connected(idle_agent.port) as three:
            answer = await three.answer()
            assert (answer.status, answer.json()["error"]["code"]) == (503, "busy")
            assert "server.max_connections" in answer.json()["error"]["message"]
            assert int(answer.headers["retry-after"]) > 0
            assert await three.ended() == b""
        one.send(request("GET", "/health"))
        assert (await one.answer()).status == 200

    async def comes_in() -> bool:
        return (await ask(idle_agent.port, request("GET", "/health"))).status == 200

    async with asyncio.timeout(10):
        while not await comes_in():
            await asyncio.sleep(0.01)


async def test_many_that_are_refused_do_not_fill_the_log(idle_agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    idle_agent.settings.set("server.max_connections", 1)
    await idle_agent.start()
    async with connected(idle_agent.port) as one:
        one.send(request("GET", "/health"))
        assert (await one.answer()).status == 200
        for _ in range(20):
            refused = await ask(idle_agent.port, b"")
            assert refused.status == 503 and refused.headers["server"] == "Samovar"
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_one_address_of_the_network_cannot_have_them_all(
    idle_agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle_agent.tokens.add("good", "chat")
    idle_agent.settings.set("server.max_connections_per_client", 1)
    monkeypatch.setattr(binding, "is_loopback", lambda address: False)
    await idle_agent.start()
    async with connected(idle_agent.port) as one:
        one.send(request("GET", "/health"))
        assert (await one.answer()).status == 200
        answer = await ask(idle_agent.port, b"")
        assert answer.status == 503 and "max_connections_per_client" in answer.json()["error"]["message"]


async def test_one_client_cannot_have_all_the_work(agent: Agent, browser: Browser, until: Callable[..., Any]) -> None:
    agent.settings.set("server.max_requests_per_client", 2)
    go_on = asyncio.Event()
    agent.instances.items = [go_on, Text(text="At last")]
    for secret in ("one", "two"):
        agent.tokens.add(secret, "chat")
    mine = [asyncio.create_task(browser.chat(headers={"x-api-key": "one"})) for _ in range(2)]
    await until(lambda: len(agent.instances.calls) == 2)

    refused = await browser.chat(headers={"x-api-key": "one"})
    assert (refused.status, refused.error["code"]) == (429, "busy")
    assert int(refused.headers["Retry-After"]) > 0
    others = [asyncio.create_task(browser.chat(headers=headers)) for headers in ({"x-api-key": "two"}, {}, {}, {})]
    await until(lambda: len(agent.instances.calls) == 6)
    go_on.set()
    assert [(await answer).status for answer in [*mine, *others]] == [200] * 6
    assert (await browser.chat(headers={"x-api-key": "one"})).status == 200


@pytest.mark.usefixtures("impatient")
class TestSlowClients:
    """Deadlines, most of them shortened."""

    @pytest.mark.parametrize("head", [b"G", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"])
    async def test_a_head_that_never_ends(self, agent: Agent, head: bytes) -> None:
        async with connected(agent.port) as wire:
            wire.send(head)
            answer = await wire.answer()
            assert answer.status == 408 and answer.json()["error"]["code"] == "bad_request"
            assert await wire.ended() == b""

    async def test_a_head_that_comes_byte_by_byte(self, agent: Agent) -> None:
        async with connected(agent.port) as wire:
            for byte in b"GET /health HTTP/1.1\r\nX: " + b"x" * 10_000:
                wire.send(bytes([byte]))
                await asyncio.sleep(0.005)
                if wire.reader.at_eof() or wire.writer.is_closing() or wire.reader._buffer:  # type: ignore[attr-defined]
                    break
            assert (await wire.answer()).status == 408

    async def test_a_second_head_that_never_ends(self, agent: Agent) -> None:
        async with connected(agent.port) as wire:
            wire.send(request("GET", "/health"))
            assert (await wire.answer()).status == 200
            wire.send(b"GET /health")
            assert (await wire.answer()).status == 408

    async def test_who_says_nothing_is_dropped_without_a_word(
        self, idle_agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
        await idle_agent.start()
        async with connected(idle_agent.port) as wire:
            assert await wire.ended() == b""
        async with connected(idle_agent.port) as wire:
            wire.send(request("GET", "/health"))
            assert (await wire.answer()).status == 200
            assert await wire.ended() == b""

    async def test_a_body_that_never_ends(self, agent: Agent) -> None:
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, "Content-Length: 1000") + b"{")
            answer = await wire.answer()
            assert answer.status == 408
            assert await wire.ended() == b""
        assert not agent.instances.calls

    async def test_a_body_that_drips(self, agent: Agent) -> None:
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, "Transfer-Encoding: chunked"))
            dripping = asyncio.create_task(drip(wire.writer))
            assert (await wire.answer()).status == 408
            dripping.cancel()

    async def test_a_body_that_comes_slowly_but_comes(self, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "BODY_BYTES", 10)
        body = json.dumps(chat_body()).encode()
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, f"Content-Length: {len(body)}"))
            for start in range(0, len(body), 20):
                wire.send(body[start : start + 20])
                await asyncio.sleep(0.05)
            assert (await wire.answer()).status == 200

    async def test_a_request_that_takes_long_is_left_alone(self, agent: Agent) -> None:
        go_on = asyncio.Event()
        agent.instances.items = [go_on, Text(text="At last")]
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, body=json.dumps(chat_body()).encode()))
            await asyncio.sleep(0.5)
            go_on.set()
            assert (await wire.answer()).status == 200

    async def test_who_does_not_take_a_whole_response_loses_it(self, agent: Agent, until: Callable[..., Any]) -> None:
        agent.instances.items = [Text(text="x" * 30_000_000)]
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, body=json.dumps(chat_body()).encode()))
            await until(agent.instances.closed.is_set)
            of_server = agent.server._connections
            assert of_server is not None
            await until(lambda: not of_server._open)


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    while True:
        writer.write(b"1\r\n \r\n")
        await asyncio.sleep(0.02)


async def test_connections_that_come_and_go_leave_nothing(agent: Agent, until: Callable[..., Any]) -> None:
    for _ in range(50):
        async with connected(agent.port) as wire:
            wire.send(request("GET", "/v1/models"))
            await wire.answer()
    of_server = agent.server._connections
    assert of_server is not None
    await until(lambda: not of_server._open)
    assert not of_server._of_clients and not agent.server._work._jobs
