"""A whole agent of which only the models, the downloads and the reading of documents are made up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from samovar_agent import app
from samovar_agent.engine.tally import Tallies
from samovar_agent.http.server import HttpServer
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.services import Services
from samovar_agent.settings import SettingsFile
from samovar_protocol import Places
from samovar_protocol.replies import LoadReply
from samovar_protocol.values import DownloadInfo, InstanceInfo, MemoryEstimate, Progress
from tests.samovar_agent.http.conftest import KEY, STATS, Answer, FakeDownloads, FakeInstances
from tests.samovar_agent.http.fake_documents import FakeDocuments


class WholeInstances(FakeInstances):
    """Has one model in memory, whatever is asked for."""

    def __init__(self) -> None:
        super().__init__(loaded=[InstanceInfo(identifier=KEY, model=KEY, state="ready")])
        self.tallies = Tallies()
        self.tallies.of(KEY).replied(STATS, 1.5)

    async def load(self, name: str, *, on_progress: Callable[[Progress], None], **options: Any) -> LoadReply:
        on_progress(Progress(stage="loading", done=1, total=2, unit="ratio"))
        return LoadReply(estimate=self.estimate(name), instance=self.loaded[0])

    def estimate(self, name: str, *, context: int | None = None) -> MemoryEstimate:
        return MemoryEstimate(
            need_bytes=6, free_bytes=9, weights_bytes=3, cache_bytes=2, buffer_bytes=1, context_length=context or 2048
        )

    async def unload(self, name: str) -> str:
        return KEY

    async def unload_all(self) -> list[str]:
        return [KEY]

    @contextmanager
    def kept_out(self, key: str) -> Iterator[None]:
        yield


@dataclass
class WholeAgent:
    """- url: of its server. - stopped: how often it was told to stop."""

    url: str
    services: Services
    server: HttpServer
    session: aiohttp.ClientSession
    stopped: list[None]

    async def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        async with self.session.request(method, self.url + path, **arguments) as response:
            return Answer(response.status, response.headers, await response.read())


@pytest.fixture
async def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WholeAgent]:
    """Nothing leaves the machine: there is no network."""
    monkeypatch.setattr(Connectivity, "connected", lambda self: False)
    places = Places.find({"SAMOVAR_HOME": str(tmp_path)})
    for folder in (places.data, places.models, places.logs, places.run):
        folder.mkdir(parents=True, exist_ok=True)
    settings = SettingsFile(places.config_file, {})
    settings.set("server.port", 0)
    settings.set("models.discover", False)
    stopped: list[None] = []
    async with AsyncExitStack() as stack:
        services = await app._services(places, settings, asyncio.Event(), stack)
        services.stop = lambda: stopped.append(None)
        services.instances = cast(Any, WholeInstances())
        services.downloads = cast(
            Any,
            FakeDownloads(
                progress=[Progress(stage="downloading", done=1, total=2)],
                listed=[DownloadInfo(id=1, name="a/b", state="paused")],
            ),
        )
        documents = FakeDocuments(services.store)
        documents.at_once = False
        services.documents = cast(Any, documents)
        server = HttpServer(services)
        stack.push_async_callback(server.stop)
        url = (await server.start()).urls[0]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield WholeAgent(url, services, server, session, stopped)
