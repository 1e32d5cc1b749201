"""A whole agent of which only the models, the downloads and the reading of documents are made up."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from samovar_agent import app
from samovar_agent.engine.instances import Keep
from samovar_agent.engine.tally import Tallies
from samovar_agent.http.server import HttpServer
from samovar_agent.models.sources import HubSource, Part, Wanted
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.services import Services
from samovar_agent.settings import SettingsFile
from samovar_agent.stopping import Stopping
from samovar_protocol import Places
from samovar_protocol.replies import EmbedReply, GetReply, LoadReply
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, InstanceInfo, MemoryEstimate, Progress
from tests.samovar_agent.http.conftest import KEY, STATS, Answer, FakeDownloads, FakeInstances
from tests.samovar_agent.http.fake_documents import FakeDocuments
from tests.samovar_agent.models.gguf_files import llama, write_gguf

EMBEDDER = "maker/vectors"
KEEP = Keep()
WANTED = Wanted(
    publisher="a",
    name="b",
    quantization="F16",
    parts=[Part(name="b.gguf", size_bytes=9)],
    sources=[HubSource(repository="a/b")],
)
TEMPLATE = "{% if tools %}{% endif %}<think>{% if enable_thinking %}{% endif %}"


class WholeInstances(FakeInstances):
    """Has one model in memory, whatever is asked for."""

    def __init__(self) -> None:
        super().__init__(loaded=[InstanceInfo(identifier=KEY, model=KEY, state="ready")])
        self.tallies = Tallies()
        self.tallies.of(KEY).replied(STATS, 1.5)

    async def load(self, name: str, *, on_progress: Callable[[Progress], None] = print, **options: Any) -> LoadReply:
        on_progress(Progress(stage="loading", done=1, total=2, unit="ratio"))
        return LoadReply(estimate=self.estimate(name), instance=self.loaded[0])

    def estimate(self, name: str, *, context: int | None = None) -> MemoryEstimate:
        return MemoryEstimate(
            need_bytes=6, free_bytes=9, weights_bytes=3, cache_bytes=2, buffer_bytes=1, context_length=context or 2048
        )

    async def embed(
        self, model: str, inputs: Sequence[str | list[int]], *, dimensions: int | None, client: str, keep: Keep = KEEP
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        async for item in super().embed(model, inputs, dimensions=dimensions, client=client, keep=keep):
            yield item

    async def ready(self, model: str, capability: str, *, keep: Keep) -> AsyncGenerator[Progress | InstanceInfo, None]:
        yield self.loaded[0]

    async def release(self, name: str) -> None:
        pass

    async def unload(self, name: str) -> str:
        return KEY

    async def unload_all(self) -> list[str]:
        return [KEY]

    @contextmanager
    def kept_out(self, key: str) -> Iterator[None]:
        yield


class WholeDownloads(FakeDownloads):
    """Every name stands for a file that is fetched at once."""

    async def get(self, request: Get, **more: Any) -> GetReply:
        if on_wanted := more.pop("on_wanted", None):
            on_wanted(WANTED)
        return await super().get(request, **more)

    async def cancel_of(self, partial: Path) -> bool:
        return False


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
    """Nothing leaves the machine: there is no network. KEY writes, EMBEDDER makes vectors."""
    monkeypatch.setattr(Connectivity, "connected", lambda self: False)
    places = Places.find({"SAMOVAR_HOME": str(tmp_path)})
    for folder in (places.data, places.models, places.logs, places.run):
        folder.mkdir(parents=True, exist_ok=True)
    write_gguf(places.models / f"{KEY}/model.F16.gguf", llama(file_type=1, chat_template=TEMPLATE))
    write_gguf(places.models / f"{EMBEDDER}/model.F16.gguf", {**llama(), "llama.pooling_type": 1})
    settings = SettingsFile(places.config_file, {})
    settings.set("server.port", 0)
    settings.set("models.discover", False)
    stopped: list[None] = []
    async with AsyncExitStack() as stack:
        services = await app._services(places, settings, asyncio.Event(), stack, Stopping())
        services.stop = lambda: stopped.append(None)
        services.instances = cast(Any, WholeInstances())
        services.downloads = cast(
            Any,
            WholeDownloads(
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
