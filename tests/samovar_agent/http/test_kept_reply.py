"""A kept reply is the one that aiohttp would have made, whoever asks and however."""

from __future__ import annotations

import email.utils
import time

import pytest

from samovar_protocol.events import LibraryChanged
from tests.samovar_agent.http.conftest import Agent, model
from tests.samovar_agent.http.raw import RawAnswer, ask, connected, request

PATH = "/v1/models"


def without_moment(answer: RawAnswer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", "connection")}


async def plain(agent: Agent) -> RawAnswer:
    return await ask(agent.port, request("GET", PATH))


async def test_headers_and_body_are_aiohttps(agent: Agent) -> None:
    kept = await plain(agent)
    made = await ask(agent.port, request("GET", PATH, "Connection: close"))
    assert "connection" not in kept.headers
    assert made.headers["connection"] == "close"
    assert (kept.status, without_moment(kept), kept.body) == (200, without_moment(made), made.body)


async def test_the_date_is_that_of_the_moment(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    await plain(agent)
    later = time.time() + 86_400
    monkeypatch.setattr("samovar_agent.http.kept_reply.time.time", lambda: later)
    said = email.utils.parsedate_to_datetime((await plain(agent)).headers["date"])
    assert said.timestamp() == int(later)


async def test_requests_on_one_connection_and_at_once(agent: Agent) -> None:
    async with connected(agent.port) as wire, connected(agent.port) as other:
        wire.send(request("GET", PATH) * 20)
        other.send(request("GET", PATH) * 20)
        answers = [await each.answer() for each in (wire, other) for _ in range(20)]
        assert {answer.body for answer in answers} == {answers[0].body}
        assert answers[0].json()["data"]


async def test_an_older_answer_is_not_sent_again(agent: Agent) -> None:
    async with connected(agent.port) as wire:
        wire.send(request("GET", PATH))
        before = (await wire.answer()).json()["data"]
        agent.library.models.append(model("a/new"))
        agent.events.publish(LibraryChanged(models=2))
        wire.send(request("GET", PATH))
        assert len((await wire.answer()).json()["data"]) == len(before) + 1


@pytest.mark.parametrize(
    "asked", [request("GET", PATH, "Connection: close"), f"GET {PATH} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()]
)
async def test_who_wants_the_end_gets_it(agent: Agent, asked: bytes) -> None:
    async with connected(agent.port) as wire:
        wire.send(asked)
        assert (await wire.answer()).json()["data"]
        assert await wire.ended() == b""


async def test_head_has_no_body(agent: Agent) -> None:
    async with connected(agent.port) as wire:
        wire.send(request("HEAD", PATH, "Connection: close"))
        said = await wire.ended()
    head, _, body = said.partition(b"\r\n\r\n")
    assert f"Content-Length: {len((await plain(agent)).body)}".encode() in head
    assert body == b""


async def test_a_page_that_is_allowed_may_read_it(agent: Agent) -> None:
    origin = f"http://localhost:{agent.port}"
    answer = await ask(agent.port, request("GET", PATH, f"Origin: {origin}", host=f"localhost:{agent.port}"))
    assert answer.headers["access-control-allow-origin"] == origin
