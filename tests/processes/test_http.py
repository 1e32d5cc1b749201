"""The local server of the running agent, as other programs meet it: the official client, and rude ones."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from samovar.requests import Ps, Unload
from tests.processes.agent import AgentProcess, alive, soon

pytestmark = pytest.mark.processes

ENDLESS = {
    "model": "smollm2-135m",
    "messages": [{"role": "user", "content": "Count."}],
    "temperature": 0,
    "max_tokens": 6000,
    "ignore_eos": True,
    "stream": True,
}


@pytest.fixture
async def http(standing: AgentProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with session_of(standing) as session:
        yield session


def session_of(agent: AgentProcess) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(agent.url, timeout=aiohttp.ClientTimeout(total=60))


async def events_of(reply: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in reply.content:
        if line.startswith(b"data:") and b"[DONE]" not in line:
            yield json.loads(line[5:])


async def first_text(events: AsyncIterator[dict[str, Any]]) -> str:
    async for event in events:
        if event["choices"] and (text := event["choices"][0]["delta"].get("content")):
            return str(text)
    raise AssertionError("the stream has no text")


async def is_healthy(http: aiohttp.ClientSession) -> bool:
    async with http.get("/health") as reply:
        return reply.status == 200


@pytest.mark.model
async def test_the_official_client_chats_and_streams(stocked: AgentProcess) -> None:
    async with openai.AsyncOpenAI(base_url=f"{stocked.url}/v1", api_key="not needed") as client:
        models = await client.models.list()
        assert [model.id for model in models.data] == ["HuggingFaceTB/SmolLM2-135M-Instruct"]
        whole = await client.chat.completions.create(
            model="smollm2-135m", messages=[{"role": "user", "content": "Say hello."}], temperature=0, max_tokens=8
        )
        pieces = []
        stream = await client.chat.completions.create(
            model="smollm2-135m",
            messages=[{"role": "user", "content": "Say hello."}],
            temperature=0,
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            pieces += [choice.delta.content or "" for choice in chunk.choices]
            usage = chunk.usage
        assert "".join(pieces) == whole.choices[0].message.content
        assert usage is not None
        assert whole.usage is not None
        assert usage.completion_tokens == whole.usage.completion_tokens <= 8
        with pytest.raises(openai.NotFoundError) as raised:
            await client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "x"}])
        assert isinstance(raised.value.body, dict)
        assert "gpt-99" in raised.value.body["message"]


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"\xff\xfe", 400),
        ("POST", "/v1/chat/completions", b'{"model": 3, "messages": []}', 400),
        ("POST", "/v1/chat/completions", b'{"model": "m", "messages": "hi"}', 400),
        ("POST", "/v1/chat/completions", b"x" * 50_000_000, 413),
        ("POST", "/v1/chat/completions", b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 404),
        ("POST", "/v1/no-such-route", b"{}", 404),
        ("GET", "/nothing/here", None, 404),
        ("GET", "/v1/chat/completions", None, 405),
        ("DELETE", "/health", None, 405),
    ],
)
async def test_bad_input_gets_the_right_status_in_openais_shape(
    http: aiohttp.ClientSession, verb: str, path: str, body: bytes | None, status: int
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body or b""), 1 << 16):
            yield (body or b"")[start : start + (1 << 16)]

    data = pieces() if body is not None else None
    try:
        async with http.request(verb, path, data=data, headers={"Content-Type": "application/json"}) as reply:
            assert reply.status == status
            error = (await reply.json())["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["message"]
    except aiohttp.ClientConnectionError:
        # A server may close on who is still sending 50 MB; what counts is that it did not swallow them.
        assert status == 413
    assert await is_healthy(http)


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.test"}, {"Origin": "https://evil.test"}, {"Origin": "null"}, {"Content-Type": "text/plain"}],
)
async def test_a_web_page_cannot_reach_in(http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", **headers}
    async with http.post("/v1/chat/completions", data=b"{}", headers=headers) as reply:
        assert reply.status in (403, 415)
        assert "Access-Control-Allow-Origin" not in reply.headers


def ask_raw(agent: AgentProcess, data: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", int(agent.url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b"431"),
        (b"GET /health HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n", b"403"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
    ],
)
def test_what_is_no_http_is_refused_in_json(agent: AgentProcess, data: bytes, status: bytes) -> None:
    head, _, body = ask_raw(agent, data).partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert json.loads(body)


async def test_every_listener_and_a_token_that_expires(fresh: AgentProcess) -> None:
    for key, value in (("unix_socket", "true"), ("require_token", "true"), ("max_connections", "3")):
        assert fresh.cli("config", "set", f"server.{key}", value).returncode == 0
    assert fresh.cli("down").returncode == 0
    fresh.up()
    told = fresh.json("server", "status")
    secret = fresh.cli("server", "token", "create", "guest", "--expires", "1s").stdout.strip()
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(told["unix_socket"]), headers=headers) as session:

        async def status() -> int:
            async with session.get("http://localhost/v1/models") as reply:
                return reply.status

        assert await status() in (200, 401)
        async with asyncio.timeout(30):
            while await status() != 401:
                await asyncio.sleep(0.05)
    [token] = fresh.json("server", "token", "ls")["tokens"]
    assert token["expires_at"] <= time.time()
    assert fresh.cli("server", "token", "ls").stdout.splitlines()[1].split()[-1] == "expired"
    # With three connections open there is none for a fourth, until one of them ends.
    port = int(fresh.url.rpartition(":")[2])
    others = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(3)]
    await soon(lambda: b" 503 " in ask_raw(fresh, b""))
    for other in others:
        other.close()
    await soon(lambda: b" 200 " in ask_raw(fresh, b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"))


@pytest.mark.model
@pytest.mark.alone
async def test_kill_9_of_the_worker_in_mid_stream(loaded: AgentProcess) -> None:
    async with session_of(loaded) as http, http.post("/v1/chat/completions", json=ENDLESS) as reply:
        events = events_of(reply)
        await first_text(events)
        [worker] = loaded.workers()
        worker.kill()
        killed = time.monotonic()
        last = [event async for event in events][-1]
        # A promise to users, not a measurement: the error must come by itself, not from some later time-out.
        assert time.monotonic() - killed < 1.0
        assert last["error"]["code"] == "worker_crashed"
        async with http.post("/v1/chat/completions", json={**ENDLESS, "stream": False, "max_tokens": 4}) as reply:
            assert reply.status == 200


@pytest.mark.model
async def test_a_client_that_disconnects_stops_its_generation(
    stocked: AgentProcess, http: aiohttp.ClientSession
) -> None:
    reply = await http.post("/v1/chat/completions", json=ENDLESS)
    await first_text(events_of(reply))
    reply.close()
    async with stocked.client() as client, asyncio.timeout(10):
        while (await client.call(Ps())).instances[0].active:
            await asyncio.sleep(0.01)


@pytest.mark.model
async def test_sigterm_ends_a_stream_with_an_error_event(loaded: AgentProcess) -> None:
    process = loaded.process()
    async with session_of(loaded) as http, http.post("/v1/chat/completions", json=ENDLESS) as reply:
        events = events_of(reply)
        await first_text(events)
        process.send_signal(signal.SIGTERM)
        last = [event async for event in events][-1]
        assert last["error"]["code"] == "shutting_down"
    await soon(lambda: not alive(process))


@pytest.mark.model
async def test_loading_is_reported_to_a_stream_that_waits_for_it(
    stocked: AgentProcess, http: aiohttp.ClientSession
) -> None:
    async with stocked.client() as client:
        await client.call(Unload(all=True))
    async with http.post("/v1/chat/completions", json={**ENDLESS, "max_tokens": 2}) as reply:
        lines = [line async for line in reply.content]
    comments = [line for line in lines if line.startswith(b":")]
    first_data = next(number for number, line in enumerate(lines) if line.startswith(b"data:"))
    assert comments
    assert lines.index(comments[0]) < first_data
    assert lines[-2:] == [b"data: [DONE]\n", b"\n"]
