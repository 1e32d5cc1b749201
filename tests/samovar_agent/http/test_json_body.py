"""Bodies that are too large, broken, or hostile."""

import asyncio
import gc
import gzip
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from samovar_agent.http.json_body import convert, read_json
from samovar_protocol import SamovarError
from tests.samovar_agent.http.conftest import Agent, Browser, chat_body

CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def post(browser: Browser, body: bytes, **headers: str) -> Any:
    return await browser.ask("POST", CHAT, data=body, headers={**JSON, **headers})


async def test_50_mb_announced_are_refused_before_they_are_sent(agent: Agent) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(HEAD + b"Content-Length: 50000000\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b"413" in await reader.readline()
    writer.close()


async def test_50_mb_in_pieces_are_refused_at_the_limit(agent: Agent) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    piece, sent = b"100000\r\n" + b"x" * 0x100000 + b"\r\n", 0
    status = asyncio.create_task(reader.readline())
    async with asyncio.timeout(20):
        while not status.done():
            writer.write(piece)
            sent += 1
            await writer.drain()
            await asyncio.sleep(0)
            assert sent < 50, "the whole body was taken in"
        assert b"413" in await status
    writer.close()


async def test_50_mb_sent_whole_are_413_and_the_server_goes_on(agent: Agent, browser: Browser) -> None:
    answer = await post(browser, json.dumps(chat_body(user="x" * 50_000_000)).encode())
    assert (answer.status, answer.error["code"]) == (413, "too_large")
    assert (await browser.chat()).status == 200


async def test_a_small_body_that_unpacks_to_50_mb_is_refused(agent: Agent, browser: Browser) -> None:
    answer = await post(browser, gzip.compress(b" " * 50_000_000), **{"Content-Encoding": "gzip"})
    assert answer.status == 413


class Given:
    """The part of a request that is read. - body: what was sent."""

    content_length = None

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


class Watching:
    """A decoder that remembers whether Python collected garbage meanwhile."""

    def __init__(self) -> None:
        self.collected: list[bool] = []

    def decode(self, body: bytes) -> None:
        self.collected.append(gc.isenabled())
        if body.startswith(b"!"):
            raise msgspec.DecodeError("no JSON")


async def test_no_garbage_is_looked_for_in_large_bodies() -> None:
    """Millions of empty lists took four times as long with it."""
    decoder: Any = Watching()
    for body in (b" " * 1000, b" " * 1_000_000, b"!" * 1_000_000, b" " * 1000):
        request: Any = Given(body)
        with suppress(SamovarError):
            await read_json(request, decoder)
        assert gc.isenabled()
    assert decoder.collected == [True, False, False, True]


async def test_a_body_below_the_limit_is_read(agent: Agent, browser: Browser) -> None:
    assert (await browser.chat(user="x" * 10_000_000)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"model": NaN}',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800", "messages": []}',
        b'{"model": "m", "messages": [] } trailing',
        b'{"metadata": ' + b"[" * 100_000,
        b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b', "model": "m", "messages": []}',
        b'{"messages": ' + b'[{"content":' * 50_000,
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 1' + b"0" * 5000 + b"}",
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
        b"[]",
        b"null",
        b'"x"',
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_broken_bodies_are_400(agent: Agent, browser: Browser, body: bytes) -> None:
    answer = await post(browser, body)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert answer.error["type"] == "invalid_request_error"
    assert not agent.instances.calls


async def test_broken_compression_is_400(agent: Agent, browser: Browser) -> None:
    assert (await post(browser, b"not gzip at all", **{"Content-Encoding": "gzip"})).status == 400


async def test_of_duplicate_keys_the_last_counts(agent: Agent, browser: Browser) -> None:
    body = b'{"model": "a", "model": "b", "messages": [{"role": "user", "content": "x"}]}'
    assert (await post(browser, body)).status == 200
    assert agent.instances.calls[0][0] == "b"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    places: list[int] = []


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"name": 5}, "input[2].name"),
        ({}, "input[2].name"),
        ({"name": "x", "other": 1}, "input[2].other"),
        ({"name": "x", "places": [1, "y"]}, "input[2].places[1]"),
        (5, "input[2]"),
    ],
)
def test_a_part_of_a_body_is_named_by_its_place(values: Any, param: str) -> None:
    assert convert({"name": "x"}, Inner, at="input[2]") == Inner("x")
    with pytest.raises(SamovarError) as caught:
        convert(values, Inner, at="input[2]")
    assert caught.value.failure.details["param"] == param
    assert f"'{param}" in caught.value.failure.message
