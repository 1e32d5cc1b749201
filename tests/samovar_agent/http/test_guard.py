"""Host, Origin, CORS, content type and API tokens, on every route there is."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samovar_agent.http import binding, guard
from samovar_agent.http.dialects import dialect
from samovar_agent.http.guard import _host_name
from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.routes import routes
from samovar_protocol.values import Text
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser, chat_body
from tests.samovar_agent.http.failure_shapes import check_failure
from tests.samovar_agent.http.fake_documents import FakeDocuments
from tests.samovar_agent.http.raw import ask

CURLS = "application/x-www-form-urlencoded"
CORS = "Access-Control-Allow-Origin"
OWN = "the origin of the server itself"
UNKNOWN = [("GET", "/nothing"), ("GET", "/v1/nothing"), ("POST", "/v1/nothing"), ("DELETE", "/v1/models")]


def every_route() -> Iterator[tuple[str, str]]:
    """The table itself, so that a route added tomorrow is tested too."""
    nothing: Any = SimpleNamespace(store=None, documents=None, places=SimpleNamespace(data=Path()))
    for route in routes(nothing, RequestCounts(), OpenWork()):
        yield route.method, re.sub(r"\{\w+(:[^}]+)?\}", "1", route.path.replace("{id:.+}", KEY))
    yield from UNKNOWN


ROUTES = list(every_route())


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:7266", "localhost.evil.test", "127.0.0.1.evil.test", "", "[::1"]
)
async def test_a_foreign_host_is_refused_everywhere(
    agent: Agent, browser: Browser, method: str, path: str, host: str
) -> None:
    answer = await browser.ask(method, path, headers={"Host": host}, json=chat_body() if method == "POST" else None)
    check_failure(path, answer, 403, "forbidden")
    assert not agent.instances.calls


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://localhost:3000", "http://127.0.0.1.evil.test"])
async def test_a_foreign_origin_is_refused_everywhere(
    agent: Agent, browser: Browser, method: str, path: str, origin: str
) -> None:
    body = chat_body() if method == "POST" else None
    answer = await browser.ask(method, path, headers={"Origin": origin}, json=body)
    check_failure(path, answer, 403, "forbidden")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert not agent.instances.calls


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_that_does_not_say_which_it_is_is_refused_everywhere(
    agent: Agent, browser: Browser, site: str
) -> None:
    """Pictures, scripts and links send no Origin; the browser says all the same that the page is somebody else's."""
    changed = agent.events.sequence
    for method, path in ROUTES:
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        answer = await browser.ask(method, path, headers=headers, json=chat_body() if method == "POST" else None)
        check_failure(path, answer, 403, "forbidden")
    assert not agent.instances.calls and agent.events.sequence == changed


async def test_who_types_the_address_is_welcome(agent: Agent, browser: Browser) -> None:
    for site in ("none", "same-origin"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert (await browser.ask("GET", "/v1/models", headers=headers)).status == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_foreign_preflight_is_refused_everywhere(
    agent: Agent, browser: Browser, method: str, path: str
) -> None:
    headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": method}
    answer = await browser.ask("OPTIONS", path, headers=headers)
    assert answer.status == 403 and CORS not in answer.headers


async def test_a_rebound_name_is_not_our_own_origin(agent: Agent, browser: Browser) -> None:
    answer = await browser.ask("GET", "/health", headers={"Host": "evil.test", "Origin": "http://evil.test"})
    assert answer.status == 403 and CORS not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:7266", "[::1]", "[::1]:7266"])
async def test_names_of_this_machine_are_welcome(agent: Agent, browser: Browser, host: str) -> None:
    assert (await browser.ask("GET", "/health", headers={"Host": host})).status == 200


async def test_a_host_can_be_allowed_while_running(agent: Agent, browser: Browser) -> None:
    headers = {"Host": "Samovar.lan:7266"}
    assert (await browser.ask("GET", "/health", headers=headers)).status == 403
    agent.settings.set("server.allowed_hosts", ["samovar.lan"])
    assert (await browser.ask("GET", "/health", headers=headers)).status == 200


@pytest.mark.parametrize(
    "lines", [b"", b"Host: localhost\r\nHost: evil.test\r\n", b"Host: evil.test\r\nHost: localhost\r\n"]
)
async def test_a_missing_or_doubled_host_is_refused(agent: Agent, lines: bytes) -> None:
    assert (await raw(agent, b"GET /health HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")) in (400, 403)


async def test_another_name_in_the_request_line_does_not_replace_the_host(agent: Agent) -> None:
    line = b"GET http://localhost/health HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n"
    assert await raw(agent, line) == 403


async def raw(agent: Agent, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(request)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("Box.LAN:80", "box.lan"),
        ("[fe80::1]:80", "fe80::1"),
        ("::1", "::1"),
        ("localhost:x", ""),
        ("localhost:\u0661", ""),
        ("[localhost]", ""),
        ("[::1]x", ""),
        ("[::1]:", "::1"),
        ("localhost:80@evil", ""),
    ],
)
def test_host_headers_are_taken_apart(header: str, name: str) -> None:
    assert _host_name(header) == name


async def test_our_own_origins_are_allowed(agent: Agent, browser: Browser) -> None:
    for origin in (agent.url, f"http://localhost:{agent.port}"):
        answer = await browser.ask("GET", "/v1/models", headers={"Origin": origin})
        assert (answer.status, answer.headers[CORS]) == (200, origin)


async def test_an_allowed_origin_can_chat_and_read_errors(agent: Agent, browser: Browser) -> None:
    origin = "http://localhost:3000"
    agent.settings.set("server.allowed_origins", [origin])
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-stainless-os"}
    preflight = await browser.ask("OPTIONS", "/v1/chat/completions", headers={"Origin": origin, **asked})
    assert preflight.status == 204 and preflight.headers[CORS] == origin
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type,x-stainless-os"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]

    for answer in (
        await browser.chat(headers={"Origin": origin}),
        await browser.chat(headers={"Origin": origin}, stream=True),
        await browser.chat(headers={"Origin": origin}, model=5),
        await browser.ask("GET", "/v1/nothing", headers={"Origin": origin}),
    ):
        assert (answer.headers[CORS], answer.headers["Vary"]) == (origin, "Origin")


async def test_a_preflight_needs_no_token_and_a_real_path(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    headers = {"Origin": agent.url, "Access-Control-Request-Method": "POST"}
    assert (await browser.ask("OPTIONS", "/v1/chat/completions", headers=headers)).status == 204
    assert (await browser.ask("OPTIONS", "/v1/nothing", headers=headers)).status == 404


async def test_null_is_never_an_allowed_origin(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.allowed_origins", ["null"])
    assert (await browser.ask("GET", "/health", headers={"Origin": "null"})).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_posts_that_are_not_json_do_nothing(agent: Agent, browser: Browser, kind: str) -> None:
    answer = await browser.ask("POST", "/v1/chat/completions", data=b"{}", headers={"Content-Type": kind})
    assert (answer.status, answer.error["code"]) == (415, "bad_request")
    assert "with curl: -H 'Content-Type: application/json'" in answer.error["message"], "as curl's -d sends none of it"
    assert not agent.instances.calls


async def test_a_program_need_not_say_that_its_body_is_json(agent: Agent, browser: Browser) -> None:
    """LiteLLM does not, where it asks Ollama's interface for a chat."""
    body = json.dumps(chat_body(stream=False)).encode()
    answer = await browser.ask("POST", "/v1/chat/completions", data=body, skip_auto_headers=["Content-Type"])
    assert answer.status == 200
    assert agent.instances.calls


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Site": "none"}, {"Origin": OWN}],
)
async def test_a_page_must_say_so(agent: Agent, browser: Browser, headers: dict[str, str]) -> None:
    headers = {name: agent.url if value == OWN else value for name, value in headers.items()}
    skip = ["Content-Type"]
    answer = await browser.ask("POST", "/v1/chat/completions", data=b"{}", headers=headers, skip_auto_headers=skip)
    assert (answer.status, answer.error["code"]) == (415, "bad_request")
    assert not agent.instances.calls


@pytest.mark.parametrize("encoding", ["br", "zstd", "foo", "gzip, gzip"])
async def test_a_compression_that_is_not_known_is_told(agent: Agent, browser: Browser, encoding: str) -> None:
    body = json.dumps(chat_body()).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = await browser.ask("POST", "/v1/chat/completions", data=body, headers=headers)
    assert (answer.status, answer.error["code"]) == (415, "bad_request")
    assert "gzip" in answer.error["message"] and "install" not in answer.error["message"]
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"
    assert not agent.instances.calls


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route not in UNKNOWN and route[0] != "GET"])
async def test_every_change_is_refused_that_a_browser_sends_without_asking(
    agent: Agent, browser: Browser, method: str, path: str
) -> None:
    page = {"Referer": "https://evil.test/"}
    kinds = ["text/plain", "text/plain;charset=UTF-8", "multipart/form-data", CURLS]
    for headers in ({"Content-Type": kind, **more} for kind in kinds for more in ({}, page)):
        if headers == {"Content-Type": CURLS} and dialect(path) == "ollama":
            continue  # what curl sends; see ollama/test_chat.py
        if headers["Content-Type"] == "multipart/form-data" and path == "/v1/files":
            continue  # an upload, which has checks of its own
        answer = await browser.ask(method, path, data=b"{}", headers=headers)
        check_failure(path, answer, 415, "bad_request")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    "header",
    [
        ("Origin", OWN),
        ("Referer", "https://evil.test/"),
        ("Referer", ""),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ],
)
async def test_what_a_form_of_a_page_says_is_not_what_curl_says(
    agent: Agent, browser: Browser, method: str, header: tuple[str, str]
) -> None:
    name, value = header[0], agent.url if header[1] == OWN else header[1]
    path = "/api/chat" if method == "POST" else "/api/delete"
    answer = await browser.ask(
        method, path, data=b'{"model": "x", "messages": []}', headers={"Content-Type": CURLS, name: value}
    )
    check_failure(path, answer, 415, "bad_request")


@pytest.mark.parametrize("origin", ["https://evil.test", "null"])
async def test_a_foreign_form_is_refused_before_anything_else(agent: Agent, browser: Browser, origin: str) -> None:
    answer = await browser.ask("POST", "/api/chat", data=b"{}", headers={"Content-Type": CURLS, "Origin": origin})
    check_failure("/api/chat", answer, 403, "forbidden")
    assert CORS not in answer.headers


async def test_for_the_other_interfaces_curl_is_told_what_to_say(agent: Agent, browser: Browser) -> None:
    answer = await browser.ask("POST", "/v1/chat/completions", data=b"{}", headers={"Content-Type": CURLS})
    assert answer.status == 415
    assert "-H 'Content-Type: application/json'" in answer.error["message"]


async def test_json_with_a_charset_is_json(agent: Agent, browser: Browser) -> None:
    assert (await browser.chat(headers={"Content-Type": "application/json; charset=utf-8"})).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer not-needed"}, {"x-api-key": "x"}])
async def test_on_loopback_any_token_will_do(agent: Agent, browser: Browser, headers: dict[str, str]) -> None:
    assert (await browser.chat(headers=headers)).status == 200
    assert (await browser.ask("GET", "/v1/models", headers=headers)).status == 200


class TestAnotherUserOfThisMachine:
    """Connects over loopback, where no token is needed, and could read what somebody else's files say."""

    @pytest.fixture(autouse=True)
    def another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard, "connection_user", lambda own, other: os.geteuid() + 4000)

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer not-needed"}])
    async def test_reads_no_documents(
        self, agent: Agent, browser: Browser, documents: FakeDocuments, headers: dict[str, str]
    ) -> None:
        for method, path in (("GET", "/v1/files"), ("GET", "/api/samovar/documents"), ("GET", "/v1/vector_stores")):
            answer = await browser.ask(method, path, headers=headers)
            assert (answer.status, answer.error["code"]) == (401, "unauthorized")

    @pytest.mark.parametrize(("method", "path"), [("POST", "tokens"), ("POST", "models/import"), ("GET", "settings")])
    async def test_changes_neither_models_nor_settings(
        self, agent: Agent, browser: Browser, method: str, path: str
    ) -> None:
        answer = await browser.ask(method, f"/api/samovar/{path}", json={} if method == "POST" else None)
        assert (answer.status, answer.error["code"]) == (401, "unauthorized")

    async def test_may_with_a_token_and_may_chat_without(
        self, agent: Agent, browser: Browser, documents: FakeDocuments
    ) -> None:
        headers = {"x-api-key": agent.tokens.add("good", "documents")}
        assert (await browser.ask("GET", "/v1/files", headers=headers)).status == 200
        headers = {"x-api-key": agent.tokens.add("other", "chat")}
        assert (await browser.ask("GET", "/v1/files", headers=headers)).status == 403
        assert (await browser.chat()).status == 200

    async def test_the_administrator_and_who_is_not_known_read_them(
        self, agent: Agent, browser: Browser, documents: FakeDocuments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for user in (0, None, os.geteuid()):
            monkeypatch.setattr(guard, "connection_user", lambda own, other, user=user: user)
            assert (await browser.ask("GET", "/v1/files")).status == 200


class TestTokensNeeded:
    """The setting asks for them."""

    @pytest.fixture(autouse=True)
    def require(self, agent: Agent) -> None:
        agent.settings.set("server.require_token", True)

    @pytest.mark.parametrize(
        "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic good"}, {"x-api-key": "wrong"}]
    )
    async def test_wrong_and_missing_ones_are_401(
        self, agent: Agent, browser: Browser, headers: dict[str, str]
    ) -> None:
        agent.tokens.add("good", "admin")
        for answer in (
            await browser.chat(headers=headers),
            await browser.ask("GET", "/v1/models", headers=headers),
            await browser.ask("GET", f"/v1/models/{KEY}", headers=headers),
        ):
            assert (answer.status, answer.error["code"]) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert not agent.instances.calls
        assert (await browser.ask("GET", "/health", headers=headers)).status == 200

    @pytest.mark.parametrize(
        "template", [("Authorization", "Bearer {}"), ("authorization", "bearer  {}"), ("X-Api-Key", "{}")]
    )
    async def test_good_ones_open(self, agent: Agent, browser: Browser, template: tuple[str, str]) -> None:
        headers = {template[0]: template[1].format(agent.tokens.add("good", "chat"))}
        assert (await browser.chat(headers=headers)).status == 200
        assert (await browser.ask("GET", "/v1/models", headers=headers)).status == 200

    async def test_a_token_without_the_scope_is_403(self, agent: Agent, browser: Browser) -> None:
        headers = {"x-api-key": agent.tokens.add("good", "models", "embed")}
        answer = await browser.chat(headers=headers)
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
        assert "chat" in answer.error["message"]
        assert (await browser.ask("GET", "/v1/models", headers=headers)).status == 200

    async def test_admin_may_everything(self, agent: Agent, browser: Browser) -> None:
        assert (await browser.chat(headers={"x-api-key": agent.tokens.add("root", "admin")})).status == 200

    async def test_a_revoked_one_is_401_at_once(self, agent: Agent, browser: Browser) -> None:
        headers = {"x-api-key": agent.tokens.add("good", "chat")}
        assert (await browser.chat(headers=headers)).status == 200
        agent.tokens.revoke("good")
        assert (await browser.chat(headers=headers)).status == 401

    async def test_an_expired_one_is_401_and_says_so(self, agent: Agent, browser: Browser) -> None:
        headers = {"x-api-key": agent.tokens.add("good", "chat")}
        agent.tokens.expire("good")
        for answer in (
            await browser.chat(headers=headers),
            await browser.ask("GET", "/v1/models", headers=headers),
            await browser.chat(headers=headers, stream=True),
        ):
            assert (answer.status, answer.error["code"]) == (401, "unauthorized")
            assert "has expired, on 2023-11-1" in answer.error["message"]


async def test_from_the_network_a_token_is_needed(
    idle_agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "is_loopback", lambda address: False)
    headers = {"x-api-key": idle_agent.tokens.add("good", "chat")}
    await idle_agent.start()
    assert (await browser.chat()).status == 401
    assert (await browser.chat(headers=headers)).status == 200


async def test_bound_to_everything_loopback_needs_no_token_and_any_own_address_is_a_host(
    idle_agent: Agent, browser: Browser
) -> None:
    idle_agent.tokens.add("good", "chat")
    idle_agent.settings.set("server.hosts", ["0.0.0.0"])
    info = await idle_agent.start()
    assert info.urls == [f"http://127.0.0.1:{idle_agent.port}"] and info.problem is None
    assert (await browser.chat()).status == 200
    assert (await browser.ask("GET", "/health", headers={"Host": "192.0.2.7"})).status == 403


@pytest.mark.parametrize(
    "spoilt",
    [
        b"{method} {path} HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n",
        b"{method} {path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        b"{method} {path} HTTP/1.1\r\n",
        b"{method} {path} HTTP/1.0\r\n",
        b"{method} http://localhost{path} HTTP/1.1\r\nHost: evil.test\r\n",
        b"{method} http://evil.test{path} HTTP/1.1\r\nHost: localhost\r\n",
        b"{method} {path} HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: localhost\r\n",
        b"{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.test\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\n",
        b"{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nExpect: 100-continue\r\n",
        b"{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: https://evil.test\r\n",
    ],
)
async def test_no_route_is_reached_by_a_trick(agent: Agent, spoilt: bytes) -> None:
    changed = agent.events.sequence
    body = json.dumps(chat_body(stream=True)).encode()
    for method, path in ROUTES:
        head = spoilt.replace(b"{method}", method.encode()).replace(b"{path}", path.encode())
        content = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        answer = await ask(agent.port, head + content)
        if answer.status == 400:  # a doubled or missing Host is refused before there is a path
            check_failure("", answer, 400, "bad_request")
        else:
            check_failure(path, answer, 403, "forbidden")
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not agent.instances.calls and not agent.downloads.asked and agent.events.sequence == changed


async def test_an_expiry_ends_open_streams(agent: Agent, browser: Browser) -> None:
    agent.tokens.add("one", "chat")
    agent.instances.items = [Text(text="Once"), asyncio.Event()]
    async with browser.open_stream(headers={"x-api-key": "one"}) as response:
        first = await response.content.readuntil(b"Once")
        agent.tokens.expire("one")
        ended = Answer(response.status, response.headers, first + await response.read())
    assert ended.events[-1]["error"]["code"] == "unauthorized"
    assert "expired" in ended.events[-1]["error"]["message"]
    assert agent.instances.closed.is_set()


@pytest.mark.parametrize("required", [True, False])
async def test_a_revocation_ends_the_open_streams_of_that_token_only(
    agent: Agent, browser: Browser, required: bool
) -> None:
    agent.settings.set("server.require_token", required)
    agent.tokens.add("one", "chat")
    agent.tokens.add("two", "chat")
    go_on = asyncio.Event()
    agent.instances.items = [Text(text="Once"), go_on, Text(text=" more")]

    async def read(response: Any) -> Answer:
        return Answer(response.status, response.headers, await response.read())

    async with (
        browser.open_stream(headers={"x-api-key": "one"}) as first,
        browser.open_stream(headers={"x-api-key": "two"}) as second,
    ):
        for response in (first, second):
            await response.content.readuntil(b"Once")
        agent.tokens.revoke("one")
        ended = await read(first)
        go_on.set()
        finished = await read(second)
    assert ended.events[-1]["error"]["code"] == "unauthorized"
    assert finished.events[-1] == "[DONE]"
