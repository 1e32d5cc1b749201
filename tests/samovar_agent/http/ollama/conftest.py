"""The official client and a real library of small files; the engine and the downloads do what the test says."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ollama
import pytest

from samovar_agent.engine.instances import Keep
from samovar_agent.models.library import Library
from samovar_agent.models.sources import HubSource, Part, Wanted
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.replies import EmbedReply, GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import ChatOptions, InstanceInfo, Message, Progress, Sampling
from tests.samovar_agent.http.conftest import Agent, Answer, Browser, FakeDownloads, FakeInstances
from tests.samovar_agent.models.gguf_files import llama, write_gguf

KEY = "Acme/Tiny"
NAME = "Acme/Tiny:latest"
EMBEDDER = "Acme/Vectors"
FILLER = "Acme/Filler"
SHA256 = "ab12" * 16
TEMPLATE = "{% if tools %}{% endif %}<think>{% if enable_thinking %}{% endif %}"
WANTED = Wanted(
    publisher="Acme",
    name="New",
    quantization="Q4_0",
    parts=[Part(name="new.gguf", size_bytes=100, sha256=SHA256)],
    sources=[HubSource(repository="Acme/New")],
)


@dataclass
class Instances(FakeInstances):
    """Also keeps and releases. - limit: tokens (words) of an input."""

    embedded: list[Sequence[str | list[int]]] = field(default_factory=list)
    made_ready: list[tuple[str, str]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    limit: int = 1000

    async def embed(
        self, model: str, inputs: Sequence[str | list[int]], *, dimensions: int | None, client: str, keep: Keep
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        self.embedded.append(inputs)
        if any(len(str(text).split()) + 2 > self.limit for text in inputs):
            raise SamovarError(
                FailureCode.CONTEXT_OVERFLOW, "Input 0 is too long.", details={"context_length": self.limit}
            )
        async for item in super().embed(model, inputs, dimensions=dimensions, client=client, keep=keep):
            yield item

    @property
    def gone_on(self) -> list[tuple[str, str | None]]:
        """Prompts and suffixes of what was to go on from texts."""
        return [(asked["prompt"], asked["suffix"]) for asked in self.completed]

    async def ready(self, model: str, capability: str, *, keep: Keep) -> AsyncGenerator[Progress | InstanceInfo, None]:
        self.keeps.append(keep)
        self.made_ready.append((model, capability))
        async for item in self._begin():
            yield item
        yield InstanceInfo(identifier=model, model=model, state="ready")

    async def release(self, name: str) -> None:
        self.released.append(name)
        self.loaded = [one for one in self.loaded if one.identifier != name]

    @contextmanager
    def kept_out(self, key: str) -> Any:
        if any(one.model == key for one in self.loaded):
            raise SamovarError(FailureCode.MODEL_IN_USE, f"{key} is in memory.", hint="Unload it first.")
        yield


@dataclass
class Downloads(FakeDownloads):
    """- wanted: what the name stands for, or why it does not. - cancelled: partial files."""

    wanted: Wanted | SamovarError = WANTED

    async def get(  # type: ignore[override]
        self,
        request: Get,
        *,
        requester: str,
        on_progress: Callable[[Progress], None],
        on_wanted: Callable[[Wanted], None],
    ) -> GetReply:
        if isinstance(self.wanted, SamovarError):
            raise self.wanted
        on_wanted(self.wanted)
        return await super().get(request, requester=requester, on_progress=on_progress)

    async def cancel_of(self, partial: Path) -> bool:
        return False


class OllamaAgent:
    """The agent, and what a test turns of it."""

    def __init__(self, agent: Agent, browser: Browser, library: Library, store: Store) -> None:
        self.agent, self.browser, self.library, self.store = agent, browser, library, store
        self.instances, self.downloads = Instances(), Downloads()
        services: Any = agent.services
        services.instances, services.downloads, services.library = self.instances, self.downloads, library
        services.settings_lock = asyncio.Lock()
        agent.instances, agent.downloads = self.instances, self.downloads

    @property
    def url(self) -> str:
        return self.agent.url

    async def post(self, path: str, **body: Any) -> Answer:
        return await self.browser.ask("POST", f"/api/{path}", json=body)

    async def chat(self, **body: Any) -> Answer:
        return await self.post("chat", **{"model": NAME, "messages": [{"role": "user", "content": "Hi"}], **body})

    async def generate(self, **body: Any) -> Answer:
        return await self.post("generate", **{"model": NAME, "prompt": "Hi", **body})

    @property
    def last_call(self) -> tuple[str, Sequence[Message], Sampling, ChatOptions]:
        return self.instances.calls[-1]


def lines(answer: Answer) -> list[Any]:
    """Every line of a stream, each of which is JSON."""
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.decode().split("\n")[:-1]]


def sentence(answer: Answer) -> str:
    """The failure that a response is, in the only shape that it may have."""
    body = answer.json()
    assert set(body) == {"error"}, "the shape that Ollama's clients read"
    assert isinstance(body["error"], str)
    return str(body["error"])


@pytest.fixture
async def bench(idle_agent: Agent, browser: Browser, tmp_path: Path) -> AsyncIterator[OllamaAgent]:
    """KEY writes, thinks and calls tools; EMBEDDER gives vectors; FILLER fills in the middle, and thinks nothing."""
    places = Places(config=tmp_path, data=tmp_path, logs=tmp_path / "logs")
    write_gguf(places.models / "Acme/Tiny/Tiny.F16.gguf", llama(file_type=1, chat_template=TEMPLATE))
    write_gguf(places.models / "Acme/Vectors/Vectors.F16.gguf", {**llama(), "llama.pooling_type": 1})
    gap = {f"tokenizer.ggml.fim_{part}_token_id": 1 for part in ("pre", "suf", "mid")}
    write_gguf(places.models / "Acme/Filler/Filler.F16.gguf", {**llama(), **gap})
    store = await Store.open(tmp_path / "library.db")
    library = Library(places=places, settings=idle_agent.settings, events=idle_agent.events, store=store)
    await library.open()
    yield OllamaAgent(idle_agent, browser, library, store)
    await store.close()


@pytest.fixture
async def served(bench: OllamaAgent) -> OllamaAgent:
    await bench.agent.start()
    return bench


@pytest.fixture
async def client(served: OllamaAgent) -> AsyncIterator[ollama.AsyncClient]:
    """The official client."""
    async with ollama.AsyncClient(host=served.url) as client:
        yield client
