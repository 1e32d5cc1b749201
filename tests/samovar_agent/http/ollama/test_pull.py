"""`/api/pull` over HTTP."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from samovar_agent.http import sse
from samovar_agent.http.ollama.pull import Status, wanted_name
from samovar_agent.models.sources import Part
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import Get
from samovar_protocol.values import Progress
from tests.samovar_agent.http.described import told
from tests.samovar_agent.http.ollama.conftest import SHA256, WANTED, OllamaAgent, lines, sentence

PULLING = {"status": f"pulling {SHA256[:12]}", "digest": f"sha256:{SHA256}", "total": 100}
OFFLINE = SamovarError(FailureCode.NETWORK_OFFLINE, "The network policy is 'offline'.", hint="Change it.")


async def test_every_stage_has_its_line(served: OllamaAgent) -> None:
    served.downloads.progress = [
        Progress(stage="queued", done=2, unit="requests"),
        Progress(stage="downloading", done=0, total=100),
        Progress(stage="downloading", done=40, total=100),
        Progress(stage="downloading", done=40, total=100),
        Progress(stage="verifying", done=40, total=100),
        Progress(stage="verifying", done=80, total=100),
        Progress(stage="waiting", done=80, total=100),
    ]
    assert lines(await served.post("pull", model="a/b")) == [
        {"status": "pulling manifest"},
        {"status": "waiting for 2 other downloads"},
        PULLING,
        {**PULLING, "completed": 40},
        {"status": "verifying sha256 digest"},
        {"status": "waiting"},
        {"status": "success"},
    ]
    assert served.downloads.asked == [Get(name="a/b")]


async def test_without_a_stream_there_is_one_answer(served: OllamaAgent) -> None:
    answer = await served.post("pull", name="a/b", stream=False, insecure=False)
    assert (answer.status, answer.json()) == (200, {"status": "success"})


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_has_its_status_as_long_as_nothing_came(served: OllamaAgent, stream: bool) -> None:
    served.downloads.wanted = OFFLINE
    answer = await served.post("pull", model="a/b", stream=stream)
    assert (answer.status, sentence(answer)) == (503, "The network policy is 'offline'. Change it.")


async def test_and_is_the_last_line_after_that(served: OllamaAgent) -> None:
    served.downloads.reply = OFFLINE
    assert lines(await served.post("pull", model="a/b")) == [
        {"status": "pulling manifest"},
        {"error": "The network policy is 'offline'. Change it."},
    ]


async def test_nobody_says_a_digest_that_nobody_knows(served: OllamaAgent) -> None:
    served.downloads.wanted = replace(WANTED, parts=[Part(name="new.gguf")])
    served.downloads.progress = [Progress(stage="downloading", done=1)]
    assert lines(await served.post("pull", model="a/b"))[1] == {"status": "pulling a/b", "completed": 1}


async def test_who_leaves_no_longer_follows(served: OllamaAgent) -> None:
    served.downloads.hold = asyncio.Event()
    async with served.browser.session.post(f"{served.url}/api/pull", json={"model": "a/b"}) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(10):
        await served.downloads.left.wait()


async def test_a_transfer_that_stands_still_shows_life(served: OllamaAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    served.downloads.progress = [Progress(stage="downloading", done=40, total=100)]
    served.downloads.hold = asyncio.Event()
    async with served.browser.session.post(f"{served.url}/api/pull", json={"model": "a/b"}) as response:
        read: list[Any] = [json.loads(await response.content.readline()) for _ in range(4)]
        served.downloads.hold.set()
        read += [json.loads(line) async for line in response.content]
    assert read[2] == read[3] == {**PULLING, "completed": 40} and read[-1] == {"status": "success"}


@pytest.mark.parametrize(("name", "value"), [("username", "me"), ("password", "x")])
async def test_what_is_refused(served: OllamaAgent, name: str, value: Any) -> None:
    answer = await served.post("pull", model="a/b", **{name: value})
    assert answer.status == 400 and name in sentence(answer) and not served.downloads.asked


@pytest.mark.parametrize("stream", [True, False])
async def test_as_open_webui_asks(served: OllamaAgent, stream: bool) -> None:
    """It sends both names, and wants any source to be good enough; nothing is taken unverified all the same."""
    answer = await served.post("pull", name="a/b", model="a/b", insecure=True, stream=stream)
    assert (answer.status, answer.headers["Samovar-Without-Effect"]) == (200, "insecure")
    assert served.downloads.asked == [Get(name="a/b")]


def test_names_of_the_catalog_and_of_the_hub() -> None:
    assert wanted_name("smollm2-135m") == wanted_name("smollm2-135m:latest") == "smollm2-135m"
    assert wanted_name("smollm2:135m") == "smollm2-135m"
    assert wanted_name("smollm2-135m:q4_1") == "smollm2-135m@q4_1"
    assert wanted_name("smollm2:135m-q4_1") == "smollm2-135m@q4_1"
    assert wanted_name("hf.co/user/repo:Q4_0") == "hf.co/user/repo:Q4_0"
    assert wanted_name("user/repo:latest") == "user/repo"


async def test_every_line_is_what_the_description_says(served: OllamaAgent) -> None:
    served.downloads.progress = [Progress(stage="downloading", done=5, total=100), Progress(stage="verifying", done=1)]
    streamed, whole = await served.post("pull", model="Acme/New"), await served.post("pull", model="a/b", stream=False)
    assert all(told(Status, line) for line in [*lines(streamed), whole.json()])
