"""A control server in this process with an engine that does what the test says, and the real client."""

import asyncio
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import samovar
from samovar_agent import __version__
from samovar_agent.control.server import ControlServer
from samovar_agent.control.sockets import Keys
from samovar_agent.events import EventBus
from samovar_agent.services import Services
from samovar_agent.settings import SettingsFile
from samovar_protocol import PROTOCOL_VERSION, Endpoint, Places
from samovar_protocol.replies import ChatReply, EmbedReply, RerankReply
from samovar_protocol.values import (
    AnyDelta,
    ChatOptions,
    HttpInfo,
    InstanceInfo,
    Message,
    NetworkInfo,
    Progress,
    RankedDocument,
    Sampling,
    Stats,
    Text,
)

LOADING = Progress(stage="loading", done=0.5, total=1, unit="ratio")


class FakeInstances:
    """An engine without a model: says "word" until it is told to stop, and remembers what was asked and closed.

    - deltas: said instead of words. - vectors: what it answers to `embed`.
    """

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.words: int | None = 3
        self.pace = 0.0
        self.error: Exception | None = None
        self.deltas: list[AnyDelta] = []
        self.vectors: list[float] = [0.5, -1.0]
        self.asked: list[tuple[Any, ...]] = []

    def ls(self) -> list[InstanceInfo]:
        return []

    async def generate(
        self,
        model: str | None,
        messages: Sequence[Message],
        sampling: Sampling,
        options: ChatOptions,
        *,
        client: str,
    ) -> AsyncGenerator[AnyDelta | ChatReply, None]:
        self.asked.append((model, messages, sampling, options))
        self.started.set()
        try:
            for delta in self.deltas:
                yield delta
            count = 0
            while self.words is None or count < self.words:
                if self.error is not None and count:
                    raise self.error
                yield Text(text="word ")
                await asyncio.sleep(self.pace)
                count += 1
            yield ChatReply(model=model or "m", text="word " * count, finish_reason="stop", stats=Stats())
        finally:
            self.closed.set()

    async def embed(
        self, model: str | None, inputs: Sequence[str | list[int]], **options: Any
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        self.asked.append((model, inputs, options))
        self.started.set()
        try:
            yield LOADING
            await asyncio.sleep(self.pace)
            data = array("f", self.vectors).tobytes()
            yield EmbedReply(
                model=model or "m", dimensions=len(self.vectors), vectors=data, prompt_tokens=3, seconds=0.5
            )
        finally:
            self.closed.set()

    async def rerank(
        self, model: str | None, query: str, documents: Sequence[str], **options: Any
    ) -> AsyncGenerator[Progress | RerankReply, None]:
        self.asked.append((model, query, documents, options))
        self.started.set()
        try:
            yield LOADING
            await asyncio.sleep(self.pace)
            results = [RankedDocument(index=1, score=0.75), RankedDocument(index=0, score=-0.5)]
            yield RerankReply(model=model or "m", results=results, prompt_tokens=5, seconds=0.5)
        finally:
            self.closed.set()


class Agent:
    """The parts that a test touches."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.instances = FakeInstances()
        self.events = EventBus()
        self.stopped = False
        self.keys = Keys.generate()
        services = SimpleNamespace(
            places=places,
            settings=SettingsFile(places.config_file, {}),
            settings_lock=asyncio.Lock(),
            events=self.events,
            instances=self.instances,
            library=SimpleNamespace(ls=list),
            gate=SimpleNamespace(info=lambda: NetworkInfo(policy="online", connected=True)),
            http=HttpInfo(),
            started_at=0.0,
            stop=self._stop,
        )
        self.server = ControlServer(cast(Services, services), places, self.keys)

    def _stop(self) -> None:
        self.stopped = True

    def client(self) -> samovar.Client:
        """A client of it, to be entered."""
        return samovar.connect(home=self.places.data, timeout=5, name="test")

    def publish(self, **changes: Any) -> Endpoint:
        fields = {
            "protocol": PROTOCOL_VERSION,
            "version": __version__,
            "pid": 1,
            "control": self.server.sockets.control,
            "events": self.server.sockets.events,
            "http": [],
            "server_key": self.keys.server.decode(),
            "client_key": self.keys.client.decode(),
            "client_secret": self.keys.client_secret.decode(),
        }
        endpoint = Endpoint(**{**fields, **changes})
        endpoint.write(self.places.endpoint_file)
        return endpoint


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    agent = Agent(Places.find({"SAMOVAR_HOME": str(tmp_path)}))
    agent.publish()
    yield agent
    await agent.server.stop()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Wait for a condition, with a deadline."""

    async def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
