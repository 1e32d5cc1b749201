"""Requests that are no proper HTTP, or not quite: each gets an answer in our shape, or none, and costs nobody else."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest

from tests.samovar_agent.http.conftest import KEY, Agent, Browser, chat_body
from tests.samovar_agent.http.raw import RawAnswer, ask, connected, request

JSON = "Content-Type: application/json"
CHAT = json.dumps(chat_body()).encode()
CHUNKED = ("POST", "/v1/chat/completions", JSON, "Transfer-Encoding: chunked")


def refused(answer: RawAnswer) -> dict[str, Any]:
    """The error, in the shape that clients read, with nothing for web pages."""
    assert answer.headers["content-type"] == "application/json"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"G\x00T /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /he\x00alth HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
        (request("GET", "/" + "a" * 9000), 431),
        (request("GET", "/health", "X-Long: " + "a" * 9000), 431),
        (request("GET", "/health", *(f"X-{number}: 1" for number in range(200))), 431),
        (request("POST", "/v1/chat/completions", JSON, "Content-Length: many"), 400),
        (request("POST", "/v1/chat/completions", JSON, "Content-Length: -1"), 400),
        (request("POST", "/v1/chat/completions", JSON, "Content-Length: 2", "Content-Length: 3") + b"{}", 400),
        (request("POST", "/v1/chat/completions", JSON, "Transfer-Encoding: chunked", "Content-Length: 2") + b"{}", 400),
        (request("POST", "/v1/chat/completions", JSON, "Transfer-Encoding: sideways") + b"{}", 400),
        (request("GET", "/health", "Expect: the unexpected"), 200),
        (request("POST", "/v1/chat/completions", JSON, "Expect: the unexpected", body=CHAT), 417),
    ],
)
async def test_what_is_not_http(agent: Agent, data: bytes, status: int) -> None:
    answer = await ask(agent.port, data)
    assert answer.status == status
    if status != 200:
        assert refused(answer)["message"]
    assert (await ask(agent.port, request("GET", "/health"))).status == 200
    assert not agent.instances.calls


@pytest.mark.parametrize(
    "path",
    [
        "/v1/%2e%2e/health",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/models/%00",
        "/v1/models/a%00b",
        "/v1/models/%ff%fe",
        "/v1/models/" + "%2e%2e/" * 200,
        "//v1/models",
        "/v1//models",
        "/v1%2Fmodels",
        "/V1/models",
        "/v1/models/",
        "/v1/models;x=1",
        "*",
    ],
)
async def test_paths_that_lead_nowhere(agent: Agent, path: str) -> None:
    answer = await ask(agent.port, request("GET", path))
    assert answer.status in (400, 404)
    assert refused(answer)


async def test_a_path_is_no_other_by_another_spelling(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    for path in ("/v1/./models", "/v1/%6dodels", "/v1/x/../models"):
        assert (await ask(agent.port, request("GET", path))).status in (401, 404)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/health", 200),
        ("https://localhost:1/health", 200),
        ("http://[::1]:7266/health", 200),
        ("http://evil.test/health", 403),
        ("http://localhost@evil.test/health", 403),
        ("http://evil.test", 403),
    ],
)
async def test_an_absolute_target_has_to_name_this_server_too(agent: Agent, target: str, status: int) -> None:
    assert (await ask(agent.port, request("GET", target))).status == status
    assert (await ask(agent.port, request("GET", target, host="evil.test"))).status == 403


@pytest.mark.parametrize(
    "data", [request("GET", "/health"), request("GET", "/nothing"), request("GET", "/health", host="x"), b"no\r\n\r\n"]
)
async def test_what_it_is_made_of_it_does_not_tell(agent: Agent, data: bytes) -> None:
    answer = await ask(agent.port, data)
    assert answer.headers["server"] == "Samovar"


async def test_a_proxy_it_is_not(agent: Agent) -> None:
    for target in ("evil.test:443", "localhost:7266"):
        async with connected(agent.port) as wire:
            wire.send(request("CONNECT", target) + b"more")
            answer = await wire.answer()
            assert answer.status in (400, 403, 404, 405)
            refused(answer)


async def test_a_web_socket_there_is_none(agent: Agent) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")
    for path, status in (("/v1/models", 200), ("/v1/nothing", 404), ("/v1/chat/completions", 405)):
        async with connected(agent.port) as wire:
            wire.send(request("GET", path, *upgrade))
            assert (await wire.answer()).status == status
    answer = await ask(agent.port, request("GET", "/v1/models", *upgrade, "Origin: https://evil.test"))
    assert answer.status == 403
    refused(answer)
    answer = await ask(agent.port, request("GET", "/health", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"))
    assert answer.status == 200


async def test_http_1_0(agent: Agent) -> None:
    async with connected(agent.port) as wire:
        wire.send(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b'"status":"ok"' in await wire.ended()
    answer = await ask(agent.port, b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.status == 403
    body = json.dumps(chat_body(stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\n{JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with connected(agent.port) as wire:
        wire.send(head.encode() + body)
        said = await wire.ended()
    assert said.endswith(b"data: [DONE]\n\n") and b"chunked" not in said


async def test_pipelined_requests_are_answered_in_order(agent: Agent) -> None:
    paths = ["/health", "/v1/models", "/v1/nothing", "/health"] * 25
    async with connected(agent.port) as wire:
        wire.send(b"".join(request("GET", path) for path in paths))
        answers = [(await wire.answer()).status for _ in paths]
    assert answers == [{"/v1/nothing": 404}.get(path, 200) for path in paths]


async def test_a_bad_request_ends_what_is_pipelined_behind_it(agent: Agent) -> None:
    async with connected(agent.port) as wire:
        wire.send(request("GET", "/health"))
        assert (await wire.answer()).status == 200
        wire.send(b"nonsense\r\n\r\n" + request("GET", "/health"))
        assert (await wire.answer()).status == 400
        assert await wire.ended() == b""


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n{}\r\n", b"-1\r\n{}\r\n", b"fffffffffffffffff\r\n{}", b"2\r\n{}more\r\n0\r\n\r\n", b"2;\n\n{}"]
)
async def test_chunks_with_bad_sizes(agent: Agent, chunks: bytes) -> None:
    answer = await ask(agent.port, request(*CHUNKED) + chunks)
    assert answer.status == 400
    refused(answer)
    assert not agent.instances.calls


async def test_chunks_without_end_are_too_large(agent: Agent) -> None:
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    async with connected(agent.port) as wire:
        wire.send(request(*CHUNKED))
        for _ in range(300):
            wire.send(piece)
            await asyncio.sleep(0)
        answer = await wire.answer()
    assert (answer.status, refused(answer)["code"]) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_bomb_is_too_large(agent: Agent, encoding: str) -> None:
    bomb = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    body = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(200)) + bomb.flush()
    assert len(body) < 1 << 20
    answer = await ask(
        agent.port, request("POST", "/v1/chat/completions", JSON, f"Content-Encoding: {encoding}", body=body)
    )
    assert (answer.status, refused(answer)["code"]) == (413, "too_large")


async def test_compressed_bodies_are_read_and_broken_ones_are_not(agent: Agent) -> None:
    compressed = ("POST", "/v1/chat/completions", JSON, "Content-Encoding: gzip")
    assert (await ask(agent.port, request(*compressed, body=gzip.compress(CHAT)))).status == 200
    answer = await ask(agent.port, request(*compressed, body=b"no gzip at all"))
    assert answer.status == 400
    refused(answer)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": NaN}',
        b'{"model": "m", "temperature": Infinity, "messages": []}',
        b'{"model": "m", "temperature": 1e999, "messages": []}',
        b'{"model": "m", "max_tokens": 99999999999999999999999, "messages": []}',
        b'{"model": "\\ud800", "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\udc00"}]}',
        b'{"model": "m\xff", "messages": []}',
        b"[" * 100_000,
        b"",
    ],
)
async def test_json_that_is_none(agent: Agent, body: bytes) -> None:
    answer = (
        await ask(agent.port, request("POST", "/v1/chat/completions", JSON, "Content-Length: 0")) if not body else None
    )
    answer = answer or await ask(agent.port, request("POST", "/v1/chat/completions", JSON, body=body))
    assert answer.status == 400
    refused(answer)
    assert not agent.instances.calls


async def test_of_duplicate_keys_the_last_counts(agent: Agent) -> None:
    body = b'{"model": "first", "model": "%s", "messages": [{"role": "user", "content": "x"}]}' % KEY.encode()
    assert (await ask(agent.port, request("POST", "/v1/chat/completions", JSON, body=body))).status == 200
    assert agent.instances.calls[0][0] == KEY


async def test_who_asks_first_is_told_to_go_on_only_where_the_body_is_wanted(agent: Agent) -> None:
    head = request("POST", "/v1/chat/completions", JSON, "Expect: 100-continue", f"Content-Length: {len(CHAT)}")
    async with connected(agent.port) as wire:
        wire.send(head)
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(CHAT)
        assert (await wire.answer()).status == 200
    agent.settings.set("server.require_token", True)
    async with connected(agent.port) as wire:
        wire.send(head)
        assert (await wire.answer()).status == 401


async def test_a_client_that_goes_away_in_mid_upload(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        async with connected(agent.port) as wire:
            wire.send(request("POST", "/v1/chat/completions", JSON, "Content-Length: 1000") + b'{"model":')
            await wire.writer.drain()
            await asyncio.sleep(0.02)
    assert (await ask(agent.port, request("GET", "/health"))).status == 200
    assert not agent.instances.calls
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
