"""Downloads over HTTP."""

import asyncio
from typing import Any

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, Progress
from tests.samovar_agent.http.conftest import Agent, Browser, model

PATH = "/api/samovar/downloads"
QUEUED = DownloadInfo(id=3, name="a/b@Q4_0", state="queued")


async def test_they_are_listed(agent: Agent, browser: Browser) -> None:
    agent.downloads.listed = [QUEUED]
    answer = await browser.ask("GET", PATH)
    assert [found["id"] for found in answer.json()["downloads"]] == [3]


async def test_without_a_stream_it_goes_on_in_the_background(agent: Agent, browser: Browser) -> None:
    agent.downloads.reply = GetReply(download=QUEUED)
    answer = await browser.ask("POST", PATH, json={"name": "a/b", "priority": 2})
    assert (answer.status, answer.json()["download"]["state"]) == (200, "queued")
    assert agent.downloads.asked == [Get(name="a/b", background=True, priority=2)]


async def test_a_stream_tells_how_far_it_is_and_ends_with_the_model(agent: Agent, browser: Browser) -> None:
    agent.downloads.progress = [
        Progress(stage="downloading", done=n, total=2, per_second=1.0, eta_seconds=2.0 - n) for n in (1, 2)
    ]
    agent.downloads.reply = GetReply(model=model("a/b"))
    answer = await browser.ask("POST", PATH, json={"name": "a/b", "stream": True})
    *progress, reply, done = answer.events
    assert [(event["done"], event["per_second"], event["eta_seconds"]) for event in progress] == [(1, 1, 1), (2, 1, 0)]
    assert (reply["model"]["key"], done) == ("a/b", "[DONE]")
    assert agent.downloads.asked == [Get(name="a/b")]


async def test_a_failure_has_its_status_before_the_first_byte_and_is_an_event_after(
    agent: Agent, browser: Browser
) -> None:
    agent.downloads.reply = SamovarError(FailureCode.GATED, "Agree first.", hint="On the hub.")
    assert (await browser.ask("POST", PATH, json={"name": "a/b", "stream": True})).status == 403
    agent.downloads.progress = [Progress(stage="downloading", done=1)]
    agent.downloads.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, agent.downloads.hold.set)
    answer = await browser.ask("POST", PATH, json={"name": "a/b", "stream": True})
    assert (answer.status, answer.events[-1]["error"]["code"]) == (200, "gated")


async def test_a_client_that_leaves_no_longer_follows(agent: Agent, browser: Browser) -> None:
    agent.downloads.progress = [Progress(stage="downloading", done=1)]
    agent.downloads.hold = asyncio.Event()
    async with browser.session.post(f"{agent.url}{PATH}", json={"name": "a/b", "stream": True}) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(10):
        await agent.downloads.left.wait()


@pytest.mark.parametrize("word", ["pause", "resume", "cancel"])
async def test_pause_resume_cancel(agent: Agent, browser: Browser, word: str) -> None:
    assert (await browser.ask("POST", f"{PATH}/7/{word}", json={})).json()["download"]["id"] == 7
    assert agent.downloads.changed == [(word, 7)]


@pytest.mark.parametrize("id_", ["404", "-1", "many", "9" * 40, "%00"])
async def test_unknown_downloads(agent: Agent, browser: Browser, id_: str) -> None:
    answer = await browser.ask("POST", f"{PATH}/{id_}/pause", json={})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 3},
        {"name": "a", "sha256": "x"},
        {"name": "a", "priority": 1e9},
        {"name": "a", "x": 1},
    ],
)
async def test_bad_bodies(agent: Agent, browser: Browser, body: dict[str, Any]) -> None:
    answer = await browser.ask("POST", PATH, json=body)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert agent.downloads.asked == []


async def test_a_token_for_chat_cannot_download(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    chat, models = agent.tokens.add("c", "chat"), agent.tokens.add("m", "models")
    for secret, status in ((chat, 403), (models, 200)):
        headers = {"Authorization": f"Bearer {secret}"}
        answer = await browser.ask("POST", PATH, json={"name": "a/b"}, headers=headers)
        assert answer.status == status
