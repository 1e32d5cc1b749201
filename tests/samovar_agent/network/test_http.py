"""HTTP as the real world does it: redirects that want the token, silence, lies, proxies, and a gate that shuts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from yarl import URL

from samovar_agent.network import http as http_module
from samovar_agent.network.gate import Connection
from samovar_agent.network.http import Http, Response, origin
from samovar_agent.network.proxies import proxy_for
from samovar_protocol import FailureCode, SamovarError
from tests.hub_server import HubServer, Override
from tests.samovar_agent.network.conftest import Network

CONTENT = bytes(range(256)) * 4000
REPOSITORY = "someone/tiny-GGUF"
FILE = "tiny-Q4_0.gguf"


class Client:
    """One request with a connection of its own."""

    def __init__(self, network: Network, http: Http) -> None:
        self.network = network
        self.http = http

    @asynccontextmanager
    async def request(self, url: str, *, token: str | None = None, **headers: str) -> AsyncIterator[Response]:
        async with (
            self.network.gate.connection("model-download", "", "test", asked=True) as self.connection,
            self.http.request(self.connection, url, token=token, headers=headers) as response,
        ):
            yield response

    async def get(self, url: str, *, token: str | None = None, limit: int = 10_000_000, **headers: str) -> bytes:
        async with self.request(url, token=token, **headers) as response:
            return await response.read(limit)

    async def fails(self, url: str, *, code: str = FailureCode.NETWORK_FAILED, **options: int) -> SamovarError:
        with pytest.raises(SamovarError) as caught:
            await self.get(url, **options)  # type: ignore[arg-type]
        assert caught.value.code == code, caught.value
        assert caught.value.hint
        return caught.value


@pytest_asyncio.fixture
async def client(network: Network, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    http = Http(network.settings, connect_seconds=2, stall_seconds=1)
    yield Client(network, http)
    await http.close()


def resolve(hub: HubServer) -> str:
    return f"{hub.endpoint}/{REPOSITORY}/resolve/main/{FILE}"


@pytest.fixture
def hub(hub_server: HubServer) -> HubServer:
    hub_server.add(REPOSITORY, {FILE: CONTENT, "config.json": b"{}"})
    hub_server.grant("hf_secret", REPOSITORY)
    return hub_server


@asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **options: ssl.SSLContext
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_file_comes_over_the_second_host_and_every_byte_is_counted(client: Client, hub: HubServer) -> None:
    assert await client.get(resolve(hub)) == CONTENT
    assert [(seen.host, seen.status) for seen in hub.seen] == [("hub", 302), ("files", 200)]
    row = await client.network.only_row()
    assert (row.outcome, row.host) == ("ok", "localhost")
    assert row.bytes_received is not None
    assert row.bytes_sent is not None
    assert len(CONTENT) < row.bytes_received < len(CONTENT) + 3000
    assert 0 < row.bytes_sent < 3000


async def test_ranges_pass(client: Client, hub: HubServer) -> None:
    async with client.request(resolve(hub), Range="bytes=1000-1999") as response:
        assert response.status == 206
        assert response.headers["content-range"] == f"bytes 1000-1999/{len(CONTENT)}"
        assert b"".join([chunk async for chunk in response.chunks()]) == CONTENT[1000:2000]


async def test_the_token_does_not_follow_to_another_host(client: Client, hub: HubServer) -> None:
    assert await client.get(resolve(hub), token="hf_secret", Cookie="a=b") == CONTENT
    first, second = hub.seen
    assert first.authorization == "Bearer hf_secret"
    assert second.host == "files"
    assert second.authorization is None
    assert "cookie" not in second.headers
    assert "hf_secret" not in str(second)


async def test_another_port_or_scheme_is_another_host() -> None:
    assert origin("https://hub.example/a") == origin("https://HUB.example.:443/b")
    assert len({origin(url) for url in ("https://a.example", "http://a.example", "https://a.example:444")}) == 3


async def test_a_token_that_was_dropped_does_not_come_back(client: Client, hub: HubServer) -> None:
    hub.repositories[REPOSITORY].file(FILE).redirect_loop = True
    await client.fails(resolve(hub))
    with pytest.raises(SamovarError):
        await client.get(resolve(hub), token="hf_secret")
    with_token = [seen for seen in hub.seen if seen.authorization]
    assert [seen.host for seen in with_token] == ["hub"]


async def test_redirects_end(client: Client, hub: HubServer) -> None:
    hub.repositories[REPOSITORY].file(FILE).redirect_loop = True
    error = await client.fails(resolve(hub))
    assert "without end" in error.failure.message
    assert len(hub.seen) == 6


@pytest.mark.parametrize("target", ["ftp://x.example/a", "file:///etc/passwd", "//", "http://", "javascript:1", "\x00"])
async def test_only_web_addresses_are_followed(client: Client, hub: HubServer, target: str) -> None:
    answered = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answered)

    async with raw_server(answer) as port:
        await client.fails(f"http://127.0.0.1:{port}/")


def test_https_never_falls_to_http() -> None:
    at = URL("https://a.example/x?y=1")
    assert str(http_module._redirected(at, "/z%2Fz?s=a%2Bb")) == "https://a.example/z%2Fz?s=a%2Bb"
    assert http_module._redirected(at, "//b.example/").host == "b.example"
    assert http_module._redirected(URL("http://a.example"), "https://a.example/").scheme == "https"
    with pytest.raises(SamovarError) as caught:
        http_module._redirected(at, "http://a.example/x")
    assert caught.value.code == FailureCode.NETWORK_FAILED


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x", "file:///etc/passwd", "http://", "https://[", "//x", "http://a:b/"]
)
async def test_what_is_no_address(client: Client, url: str) -> None:
    await client.fails(url, code=FailureCode.BAD_REQUEST)


async def test_a_stall_is_a_failure(client: Client, hub: HubServer) -> None:
    hub.repositories[REPOSITORY].file(FILE).stall_after = 100_000
    started = time.monotonic()
    error = await client.fails(resolve(hub))
    assert "silent" in error.failure.message
    assert time.monotonic() - started < 10
    row = await client.network.only_row()
    assert row.bytes_received is not None
    assert row.bytes_received >= 100_000


async def test_slow_is_no_stall(client: Client, hub: HubServer) -> None:
    hub.repositories[REPOSITORY].add("slow.gguf", b"x" * 150_000).bytes_per_second = 100_000
    body = await client.get(f"{hub.endpoint}/{REPOSITORY}/resolve/main/slow.gguf")  # 1.5 s, and a stall is 1 s
    assert len(body) == 150_000


async def test_who_never_answers(client: Client, hub: HubServer) -> None:
    hub.dead = True
    client.http._stall_seconds = client.http._connect_seconds = 0.2
    error = await client.fails(resolve(hub))
    assert "silent" in error.failure.message


async def test_who_hangs_up_midway(client: Client, hub: HubServer) -> None:
    hub.repositories[REPOSITORY].file(FILE).drop_after = 5000
    error = await client.fails(resolve(hub))
    assert "hung up" in error.failure.message


async def test_nobody_there(client: Client) -> None:
    assert "could not be reached" in (await client.fails("http://127.0.0.1:9/")).failure.message
    assert (await client.network.only_row()).bytes_sent == 0


async def test_a_name_that_nobody_knows(client: Client) -> None:
    error = await client.fails("http://nowhere.invalid/")
    assert "nowhere.invalid" in error.failure.message
    assert (await client.network.only_row()).bytes_sent == 0


async def test_a_name_server_that_is_silent_costs_a_time_out_and_no_thread_of_asyncio(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(60))
    client.http._connect_seconds = 0.3
    started = time.monotonic()
    errors = await asyncio.gather(*(client.fails(f"http://silent{number}.example/") for number in range(40)))
    assert all("in time" in error.failure.message for error in errors)
    async with asyncio.timeout(2):
        assert await asyncio.to_thread(lambda: 1) == 1, "asyncio's own threads are free"
    assert time.monotonic() - started < 10
    waiting = [thread for thread in threading.enumerate() if thread.name == "samovar-<lambda>"]
    assert len(waiting) == 40
    assert all(thread.daemon for thread in waiting), "nobody waits for them when the agent stops"
    answer.set()


async def test_a_hundred_megabytes_are_refused_before_they_come(client: Client, hub: HubServer) -> None:
    file = hub.add_file("/catalog.json", b"x")
    file.content = b"[" * 2_000_000
    error = await client.fails(f"{hub.endpoint}/catalog.json", limit=1_000_000)
    assert "1,000,000" in error.failure.message
    assert client.connection.bytes_received < 10_000


async def test_an_answer_without_end_is_left_at_the_limit(client: Client, hub: HubServer) -> None:
    hub.override["/endless"] = Override(body=b"[" * 65_536, endless=True)
    await client.fails(f"{hub.endpoint}/endless", limit=1_000_000)
    assert client.connection.bytes_received < 1_500_000


async def test_packed_bytes_are_refused(client: Client, hub: HubServer) -> None:
    hub.override["/packed"] = Override(body=b"\x1f\x8b" * 10, headers={"Content-Encoding": "gzip"})
    error = await client.fails(f"{hub.endpoint}/packed")
    assert "packed" in error.failure.message
    assert hub.seen[0].headers["accept-encoding"] == "identity"


async def test_no_cookies_are_kept_and_nothing_tells_who_we_are(client: Client, hub: HubServer) -> None:
    hub.override["/cookie"] = Override(headers={"Set-Cookie": "id=1; Path=/"})
    await client.get(f"{hub.endpoint}/cookie")
    await client.get(f"{hub.endpoint}/cookie")
    assert set(hub.seen[1].headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert hub.seen[1].headers["user-agent"].startswith("samovar/")
    assert "(" not in hub.seen[1].headers["user-agent"]


async def test_statuses_are_not_raised(client: Client, hub: HubServer) -> None:
    async with client.request(f"{hub.endpoint}/{REPOSITORY}/resolve/main/no.gguf") as response:
        assert response.status == 404
        assert response.headers["x-error-code"] == "EntryNotFound"


async def test_going_offline_cuts_a_transfer_that_runs(
    client: Client, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samovar_agent.network.http._KEEP_ALIVE_SECONDS", 0.1)
    hub.repositories[REPOSITORY].file(FILE).bytes_per_second = 100_000
    task = asyncio.create_task(client.fails(resolve(hub), code=FailureCode.NETWORK_OFFLINE))
    async with asyncio.timeout(10):
        while not hasattr(client, "connection") or client.connection.bytes_received < 20_000:
            await asyncio.sleep(0.01)
    client.network.set_policy("offline")
    await asyncio.wait_for(task, 5)
    async with asyncio.timeout(5):
        connector = client.http._opened().connector
        assert connector is not None
        while connector._conns:
            await asyncio.sleep(0.05)


async def test_what_was_not_read_is_not_waited_for(client: Client, hub: HubServer) -> None:
    hub.override["/endless"] = Override(body=b"[" * 65_536, endless=True)
    async with asyncio.timeout(5), client.request(f"{hub.endpoint}/endless") as response:
        assert response.status == 200


async def test_the_limit_holds_for_all_connections_together(client: Client, hub: HubServer) -> None:
    client.network.settings.set("network.megabytes_per_second", 0.5)
    started = time.monotonic()
    bodies = await asyncio.gather(
        *(client.get(resolve(hub), Range=f"bytes={at}-{at + 249_999}") for at in (0, 250_000))
    )
    assert bodies == [CONTENT[:250_000], CONTENT[250_000:500_000]]
    assert time.monotonic() - started > 0.75


async def test_lifting_the_limit_helps_who_waits(client: Client, hub: HubServer) -> None:
    client.network.settings.set("network.megabytes_per_second", 0.01)  # 100 s
    task = asyncio.create_task(client.get(resolve(hub)))
    await asyncio.sleep(0.5)
    assert not task.done()
    client.network.settings.set("network.megabytes_per_second", 0)
    assert len(await asyncio.wait_for(task, 5)) == len(CONTENT)


async def test_a_proxy_is_used_for_what_it_is_set_for(
    client: Client, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readuntil(b"\r\n\r\n"))
        if lines[-1].startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    async with raw_server(refuse) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:word@127.0.0.1:{port}")
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        error = await client.fails("https://hub.example/x")
        assert "password" in error.failure.message
        assert lines[0].startswith(b"CONNECT hub.example:443 HTTP/1.1")
        assert b"Proxy-Authorization: Basic bWU6d29yZA==" in lines[0]
        assert await client.get("http://hub.example/x", token="hf_secret") == b"hi"
        assert lines[1].startswith(b"GET http://hub.example/x HTTP/1.1")
        assert len(await client.get(resolve(hub).replace("localhost", "127.0.0.1"))) >= 0
    assert (await client.network.store.journal.ls())[1].host == "hub.example"


async def test_a_proxy_that_is_not_there_or_not_http(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "proxy" in (await client.fails("https://hub.example/")).failure.message
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    assert "not an HTTP proxy" in (await client.fails("https://hub.example/")).failure.message


def test_no_proxy_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for(URL("https://hub.example")) is None
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert proxy_for(URL("https://hub.example")) == URL("http://proxy.example:3128")


async def test_netrc_is_nothing_to_us(
    client: Client, hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    from pathlib import Path

    netrc = Path(str(tmp_path)) / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await client.get(resolve(hub))
    assert all(seen.authorization is None for seen in hub.seen)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
)
async def test_who_speaks_no_http(client: Client, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with raw_server(serve) as port:
        await client.fails(f"http://127.0.0.1:{port}/")


async def test_a_plain_server_behind_https(client: Client, hub: HubServer) -> None:
    error = await client.fails(hub.endpoint.replace("http://", "https://"))
    assert "secure connection" in error.failure.message


def test_a_session_costs_nothing_before_it_is_needed(network: Network) -> None:
    assert Http(network.settings)._session is None


async def test_a_connection_of_the_gate_can_carry_many_requests(client: Client, hub: HubServer) -> None:
    async with client.network.gate.connection("catalog", "", "test", asked=True) as connection:
        bodies = await asyncio.gather(*(_part(client.http, connection, resolve(hub), at) for at in range(8)))
    assert b"".join(bodies) == CONTENT[:80_000]


async def _part(http: Http, connection: Connection, url: str, at: int) -> bytes:
    asked = {"Range": f"bytes={at * 10_000}-{at * 10_000 + 9_999}"}
    async with http.request(connection, url, headers=asked) as response:
        return await response.read(10_000)
