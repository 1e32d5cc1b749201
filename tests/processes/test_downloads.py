"""A download survives whatever happens to the agent: the real one, killed again and again; the hub counts."""

from __future__ import annotations

import hashlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samovar_agent.network import partial_file
from samovar_agent.network.partial_file import CHUNK_BYTES
from samovar_protocol import Endpoint
from samovar_protocol.requests import DownloadCancel, DownloadLs, DownloadPause, Get
from samovar_protocol.values import DownloadInfo
from tests.hub_server import File, HubServer
from tests.hub_server.fixtures import hub_server
from tests.processes.agent import PATIENCE, SAMOVAR, AgentProcess, until
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

__all__ = ["hub_server"]

pytestmark = pytest.mark.processes

NAME = "someone/tiny"
FILE = "tiny-F16.gguf"
SIZE = 40 << 20
KILLS = 20


class Downloading:
    """An agent that is killed and started while it fetches one model."""

    def __init__(self, home: Path, hub: HubServer, content: bytes) -> None:
        self.hub, self.content = hub, content
        self.file: File = hub.add(NAME, {FILE: content}).file(FILE)
        self.agent = AgentProcess(home, HF_ENDPOINT=hub.endpoint)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> Path:
        return next(self.agent.places.models.rglob(f"{FILE}*")).with_name(FILE)

    def start(self) -> None:
        self.process = self.agent.spawn()
        until(lambda: Endpoint.read(self.agent.places.endpoint_file) is not None)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.agent.places.endpoint_file.unlink(missing_ok=True)

    def sent(self) -> int:
        return sum(seen.bytes_sent for seen in self.hub.seen if seen.host == "files")

    def here(self) -> int:
        """What the journal on the disk vouches for."""
        digest = hashlib.sha256(self.content).hexdigest()
        return partial_file.done_bytes(self.target, size_bytes=len(self.content), sha256=digest)

    def settled(self) -> int:
        """What was sent, once nothing is sent any more."""
        before = -1
        while before != (before := self.sent()):
            time.sleep(0.15)
        return before


@pytest.fixture
def downloading(tmp_path: Path, hub_server: HubServer) -> Iterator[Downloading]:
    path = write_gguf(tmp_path / FILE, llama(), [("output.weight", (SIZE // 2,), F16)])
    content = bytearray(path.read_bytes())
    content[-SIZE:] = random.Random(4).randbytes(SIZE)
    downloading = Downloading(tmp_path / "home", hub_server, bytes(content))
    yield downloading
    if downloading.process:
        downloading.kill()
    downloading.agent.stop()


async def test_killed_twenty_times_it_loses_a_chunk_each_time_at_most(downloading: Downloading) -> None:
    chance = random.Random(20)
    downloading.file.bytes_per_second = 4_000_000
    downloading.start()
    async with downloading.agent.client() as client:
        await client.call(Get(name=NAME, background=True))
    lost: list[int] = []
    for _ in range(KILLS):
        goal = downloading.sent() + chance.randrange(100_000, 2_500_000)
        until(lambda goal=goal: downloading.sent() >= goal)  # type: ignore[misc]
        downloading.kill()
        lost.append(downloading.settled() - downloading.here() - sum(lost))
        assert not downloading.target.exists()
        downloading.start()
    assert max(lost) <= CHUNK_BYTES, lost
    downloading.file.bytes_per_second = None
    async with downloading.agent.client() as client:
        reply = await client.call(Get(name=NAME))
        assert reply.model is not None
        assert reply.model.state == "ready"
        assert [found.state for found in (await client.call(DownloadLs())).downloads] == ["done"]
    assert downloading.target.read_bytes() == downloading.content
    assert downloading.sent() - len(downloading.content) <= KILLS * CHUNK_BYTES
    assert [path.name for path in downloading.target.parent.iterdir()] == [FILE]


async def only(downloading: Downloading) -> DownloadInfo:
    async with downloading.agent.client() as client:
        (found,) = (await client.call(DownloadLs())).downloads
        return found


async def test_a_client_that_is_interrupted_pauses_it_and_the_next_goes_on(downloading: Downloading) -> None:
    downloading.file.bytes_per_second = 4_000_000
    downloading.start()
    command = subprocess.Popen(
        [SAMOVAR, "get", NAME], env=downloading.agent.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until(lambda: downloading.sent() > CHUNK_BYTES)
    command.send_signal(2)
    output, _ = command.communicate(timeout=PATIENCE)
    assert b"goes on from here" in output
    deadline = time.monotonic() + PATIENCE
    while (found := await only(downloading)).state != "paused":
        assert time.monotonic() < deadline, found
    assert found.progress is not None
    here, sent = found.progress.done, downloading.settled()
    assert here > 0
    listed = downloading.agent.json("ls")
    assert [model["state"] for model in listed["models"]] == ["partial"]
    assert downloading.agent.cli("load", "tiny").returncode != 0
    downloading.file.bytes_per_second = None
    assert downloading.agent.cli("get", NAME).returncode == 0
    assert downloading.sent() - sent <= len(downloading.content) - here
    assert downloading.target.read_bytes() == downloading.content


async def test_paused_it_stays_so_over_a_kill_and_cancelled_nothing_stays(downloading: Downloading) -> None:
    downloading.file.bytes_per_second = 4_000_000
    downloading.start()
    async with downloading.agent.client() as client:
        reply = await client.call(Get(name=NAME, background=True))
        assert reply.download is not None
        until(lambda: downloading.sent() > 1_000_000)
        await client.call(DownloadPause(id=reply.download.id))
    downloading.kill()
    sent = downloading.settled()
    downloading.start()
    assert (await only(downloading)).state == "paused"
    async with downloading.agent.client() as client:
        await client.call(DownloadCancel(id=reply.download.id))
    assert downloading.sent() == sent
    assert list(downloading.agent.places.models.rglob("*")) == []
