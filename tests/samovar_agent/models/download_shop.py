"""Downloads from a hub on this machine, as one agent has them after another."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from samovar_agent.models.downloads import Downloads
from samovar_agent.models.sources import HubSource, Part, Wanted
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.transfer import fetch_file
from samovar_agent.operations.call import Call
from samovar_agent.operations.handlers import rm
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import DownloadChanged, SettingChanged
from samovar_protocol.replies import GetReply, RmReply
from samovar_protocol.requests import Get, Rm
from samovar_protocol.values import DownloadInfo, NetworkPolicy, Progress
from tests.hub_server import HubServer
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

KEY = "acme/Tiny"
FILE = "Tiny-F16.gguf"
SLOW = 1_000_000.0


class Cable(Connectivity):
    plugged = True

    def connected(self) -> bool:
        return self.plugged


class Hub:
    """Where files are; see `network/hub.py`."""

    token: str | None = None

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def address(self, repository: str, path: str, revision: str = "main") -> str:
        return f"{self.endpoint}/{repository}/resolve/{revision}/{path}"


class Shop:
    """Downloads of a repository with one model, as one agent has them after another."""

    def __init__(self, home: Home, hub: HubServer, contents: dict[str, bytes]) -> None:
        self.home, self.hub = home, hub
        self.cable = Cable()
        self.gate = Gate(home.settings, home.store, self.cable, home.events)
        self.http = Http(home.settings, stall_seconds=0.3)
        self.known: dict[str, Wanted] = {}
        self.told: list[Progress] = []
        self.add("tiny", contents)
        self.downloads = self.made()

    def made(self) -> Downloads:
        return Downloads(
            places=self.home.places,
            store=self.home.store,
            library=self.home.library,
            gate=self.gate,
            http=self.http,
            hub=Hub(self.hub.endpoint),
            events=self.home.events,
            catalog=self,
            settings=self.home.settings,
        )

    def add(self, name: str, contents: dict[str, bytes]) -> None:
        self.hub.add(f"acme/{name}", contents)
        self.known[name] = Wanted(
            publisher="acme",
            name=name.capitalize(),
            quantization="F16",
            parts=[
                Part(name=file, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
                for file, data in contents.items()
            ],
            sources=[HubSource(repository=f"acme/{name}")],
        )

    async def wanted(
        self, name: str, *, source: str | None, sha256: str | None, unverified: bool, requester: str
    ) -> Wanted:
        if name not in self.known:
            raise SamovarError(FailureCode.MODEL_UNKNOWN, f"There is no {name}.")
        return self.known[name]

    def change(self, **values: Any) -> None:
        self.known["tiny"] = replace(self.known["tiny"], **values)

    def slow(self, speed: float | None = SLOW) -> None:
        for repository in self.hub.repositories.values():
            for file in repository.files.values():
                file.bytes_per_second = speed

    async def get(
        self, name: str = "tiny", on_progress: Callable[[Progress], None] | None = None, **values: Any
    ) -> GetReply:
        return await self.downloads.get(
            Get(name=name, **values), requester="test", on_progress=on_progress or self.told.append
        )

    def start(self, name: str = "tiny", **arguments: Any) -> asyncio.Task[GetReply]:
        return asyncio.create_task(self.get(name, **arguments))

    async def midway(self, name: str = "tiny") -> asyncio.Task[GetReply]:
        """A slow download that has begun to come."""
        self.slow()
        work = self.start(name)
        await self.until_moved()
        return work

    async def until_moved(self) -> None:
        await until(lambda: any(told.stage == "downloading" and told.done for told in self.told))

    async def only(self) -> DownloadInfo:
        (download,) = await self.downloads.ls()
        return download

    async def until_state(self, state: str) -> DownloadInfo:
        async with asyncio.timeout(20):
            while (download := await self.only()).state != state:
                await asyncio.sleep(0.01)
        return download

    async def restart(self) -> None:
        """What a new agent does after an orderly stop."""
        await self.downloads.close()
        await self.kill()

    async def kill(self) -> None:
        """A new agent while the rows are as they were; the old one is stopped so that it does not write as well."""
        rows = await self.home.store.downloads.ls()
        await self.downloads.close()
        for row in rows:
            await self.home.store.downloads.change(row.id, state=row.state, done_bytes=row.done_bytes)
        self.downloads = self.made()
        await self.downloads.open()

    def states(self) -> list[str]:
        """Each state that was published, once in a row."""
        states = [event.download.state for event in self.home.published if isinstance(event, DownloadChanged)]
        return [state for index, state in enumerate(states) if not index or states[index - 1] != state]

    def set_policy(self, policy: NetworkPolicy) -> None:
        self.home.events.publish(SettingChanged(setting=self.home.settings.set("network.policy", policy)))

    @property
    def folder(self) -> Path:
        return self.home.places.models / "acme" / "Tiny"

    def left(self) -> list[str]:
        return sorted(path.name for path in self.home.places.models.rglob("*"))

    def sent(self) -> int:
        return sum(seen.bytes_sent for seen in self.hub.seen if seen.host == "files")


def model_bytes(folder: Path, seed: int = 1) -> bytes:
    """A sound model of about a megabyte, in which each byte matters."""
    path = write_gguf(folder / f"{seed}.gguf", llama(name=f"Tiny {seed}"), [("output.weight", (500_000,), F16)])
    data = path.read_bytes()
    return data[:-1_000_000] + random.Random(seed).randbytes(1_000_000)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return model_bytes(tmp_path)


@pytest.fixture
async def shop(
    home: Home, hub_server: HubServer, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    monkeypatch.setitem(cast(Any, fetch_file).__kwdefaults__, "first_delay", 0.01)
    monkeypatch.setattr("samovar_agent.network.range_requests._WRITE_SECONDS", 0.05)  # a slow one is soon on its way
    shop = Shop(home, hub_server, {FILE: content})
    yield shop
    await shop.downloads.close()
    await shop.http.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def failure(work: asyncio.Task[GetReply]) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await asyncio.wait_for(work, 20)
    return caught.value


async def removed(shop: Shop, name: str) -> RmReply:
    """As `samovar rm` does it."""
    instances = SimpleNamespace(kept_out=lambda _: nullcontext())
    services = SimpleNamespace(library=shop.home.library, downloads=shop.downloads, instances=instances)
    return await rm.handle(cast(Call, SimpleNamespace(services=services)), Rm(name=name))


async def leave(*works: asyncio.Task[GetReply]) -> None:
    """As Ctrl-C does it."""
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


async def scanned(shop: Shop) -> list[Any]:
    await shop.home.library.refresh()
    return shop.home.library.ls()
