"""A real server on a free port, over parts of the agent that do what the test says."""

import asyncio
import contextlib
import json
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import msgspec
import openai
import pytest

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.engine.instances import Keep
from samovar_agent.engine.interface import Detokenized, Finished, RenderedPrompt, Started, Tokenization, Tokenized
from samovar_agent.engine.reply import ReplyBuilder
from samovar_agent.engine.residents import ambiguous
from samovar_agent.events import EventBus
from samovar_agent.http.server import HttpServer
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, EmbedReply, GetReply, RerankReply
from samovar_protocol.requests import Get
from samovar_protocol.values import (
    AnyDelta,
    ChatOptions,
    DownloadInfo,
    FinishReason,
    HttpInfo,
    InstanceInfo,
    Message,
    ModelInfo,
    Progress,
    RankedDocument,
    Sampling,
    Scope,
    Stats,
    Text,
    TokenInfo,
)
from tests.samovar_agent.http.fake_documents import FakeDocuments

if TYPE_CHECKING:
    from samovar_agent.services import Services

KEY = "HuggingFaceTB/SmolLM2-135M-Instruct"
STATS = Stats(
    prompt_tokens=12,
    cached_tokens=8,
    completion_tokens=3,
    queue_seconds=0.1,
    load_seconds=0.2,
    prompt_seconds=0.3,
    decode_seconds=0.5,
    drafted_tokens=2,
    accepted_tokens=1,
)


@dataclass
class FakeInstances:
    """Says `items` and then the reply; an exception among them is raised, an event is waited for.

    - finish_reasons: of the choices, where "stop" is not the reason of all.
    - vectors: of as many inputs as there are. - scores: of the documents. - only: the model that there is, or all.
    """

    items: list[Progress | AnyDelta | Exception | asyncio.Event] = field(
        default_factory=lambda: [Text(text="Hi"), Text(text=" there")]
    )
    finish_reasons: list[FinishReason] | None = None
    vectors: list[list[float]] = field(default_factory=lambda: [[0.5, -1.0]])
    scores: list[float] = field(default_factory=lambda: [0.25, 0.75])
    loaded: list[InstanceInfo] = field(default_factory=list)
    calls: list[tuple[str, Sequence[Message], Sampling, ChatOptions]] = field(default_factory=list)
    others: list[tuple[Any, ...]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    completed: list[dict[str, Any]] = field(default_factory=list)
    only: list[str] = field(default_factory=lambda: [KEY])
    endless: bool = False
    said: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def ls(self) -> list[InstanceInfo]:
        return self.loaded

    def only_model(self, capability: str) -> str:
        if not self.only:
            raise SamovarError(FailureCode.MODEL_UNKNOWN, f"There is no {capability} model.", hint="Get one.")
        if len(self.only) > 1:
            raise ambiguous("There are several", self.only)
        return self.only[0]

    async def generate(
        self,
        model: str,
        messages: Sequence[Message],
        sampling: Sampling,
        options: ChatOptions,
        *,
        client: str,
        keep: Keep = Keep(),  # noqa: B008
        on_start: Callable[[Started], None] = lambda started: None,
    ) -> AsyncGenerator[Progress | AnyDelta | ChatReply, None]:
        self.calls.append((model, messages, sampling, options))
        self.clients.append(client)
        self.keeps.append(keep)
        async with contextlib.aclosing(self._replies(model, options)) as items:
            started = False
            async for item in items:
                if not started and not isinstance(item, Progress):
                    started = True
                    on_start(Started(prompt_tokens=STATS.prompt_tokens, cached_tokens=STATS.cached_tokens))
                yield item

    async def complete(
        self, model: str, prompt: str | list[int], sampling: Sampling, options: ChatOptions, **more: Any
    ) -> AsyncGenerator[Progress | AnyDelta | ChatReply, None]:
        """Says the same as `generate`; what it was asked is in `completed`, by the parameters' names."""
        self.completed.append({"model": model, "prompt": prompt, "sampling": sampling, "options": options, **more})
        self.keeps.append(more["keep"])
        async with contextlib.aclosing(self._replies(model, options)) as items:
            async for item in items:
                yield item

    async def _replies(self, model: str, options: ChatOptions) -> AsyncGenerator[Progress | AnyDelta | ChatReply, None]:
        if model == "nobody/knows":
            raise SamovarError(
                FailureCode.MODEL_UNKNOWN, "No model is called 'nobody/knows'.", hint="See `samovar ls`."
            )
        reply = ReplyBuilder(options.n)
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, asyncio.Event):
                    await item.wait()
                    continue
                if not isinstance(item, Progress):
                    reply.add(item)
                self.said += 1
                yield item
            while self.endless:
                await asyncio.sleep(0)
                self.said += 1
                yield Text(text="and so on " * 100)
            finished = Finished(finish_reasons=self.finish_reasons or ["stop"] * options.n, stats=STATS)
            yield reply.build(KEY, finished, STATS.load_seconds)
        finally:
            self.closed.set()

    async def tokenize(self, model: str | None, wanted: Tokenization) -> Tokenized:
        """A token a character, its code."""
        self.others.append((model, wanted))
        tokens = [[1] * wanted.begin + [ord(character) for character in text] for text in wanted.texts]
        return Tokenized(counts=[len(each) for each in tokens], tokens=tokens)

    async def detokenize(self, model: str | None, tokens: Sequence[int]) -> Detokenized:
        self.others.append((model, list(tokens)))
        pieces = [bytes([token]) if token < 256 else chr(token % 55_000).encode() for token in tokens]
        return Detokenized(text=b"".join(pieces).decode("utf-8", "replace"), pieces=pieces)

    async def render(
        self,
        model: str | None,
        messages: Sequence[Message],
        options: ChatOptions = ChatOptions(),  # noqa: B008
    ) -> RenderedPrompt:
        self.others.append((model, messages, options))
        text = "".join(f"<{message.role}>{message.content}" for message in messages)
        return RenderedPrompt(text=text, tokens=[ord(character) for character in text])

    async def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def embed(
        self, model: str, inputs: Sequence[str | list[int]], *, dimensions: int | None, client: str, keep: Keep
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        self.others.append((model, inputs, dimensions))
        self.keeps.append(keep)
        async for progress in self._begin():
            yield progress
        data = b"".join(array("f", vector).tobytes() for vector in self.vectors)
        yield EmbedReply(model=KEY, dimensions=len(self.vectors[0]), vectors=data, prompt_tokens=7, seconds=0.5)

    async def rerank(
        self, model: str, query: str, documents: Sequence[str], *, top: int | None, client: str, keep: Keep
    ) -> AsyncGenerator[Progress | RerankReply, None]:
        self.others.append((model, query, documents, top))
        self.keeps.append(keep)
        async for progress in self._begin():
            yield progress
        ranked = [RankedDocument(index=index, score=score) for index, score in enumerate(self.scores)]
        ranked.sort(key=lambda document: -document.score)
        yield RerankReply(model=KEY, results=ranked[:top], prompt_tokens=9, seconds=0.5)

    async def _begin(self) -> AsyncGenerator[Progress, None]:
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Progress):
                    yield item
                if isinstance(item, asyncio.Event):
                    await item.wait()
        finally:
            self.closed.set()


@dataclass
class FakeLibrary:
    """Some models; `find` and `key_of` know keys and the alias "smollm"."""

    models: list[ModelInfo] = field(default_factory=list)

    def ls(self) -> list[ModelInfo]:
        return self.models

    def key_of(self, name: str) -> str:
        for model in self.models:
            if name in (model.key, "smollm"):
                return model.key
        raise SamovarError(FailureCode.MODEL_UNKNOWN, f"No model is called '{name}'.", hint="See `samovar ls`.")

    def find(self, name: str) -> SimpleNamespace:
        key = self.key_of(name)
        return SimpleNamespace(info=next(model for model in self.models if model.key == key))


@dataclass
class FakeDownloads:
    """Tells `progress`, then ends with `reply`; `hold` is waited for in between."""

    progress: list[Progress] = field(default_factory=list)
    reply: GetReply | Exception = field(default_factory=GetReply)
    hold: asyncio.Event | None = None
    asked: list[Get] = field(default_factory=list)
    changed: list[tuple[str, int]] = field(default_factory=list)
    listed: list[DownloadInfo] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def ls(self) -> list[DownloadInfo]:
        return self.listed

    async def get(self, request: Get, *, requester: str, on_progress: Callable[[Progress], None]) -> GetReply:
        self.asked.append(request)
        try:
            for progress in self.progress:
                on_progress(progress)
                await asyncio.sleep(0)
            if self.hold is not None:
                await self.hold.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    async def pause(self, id_: int) -> DownloadInfo:
        return self._change("pause", id_)

    async def resume(self, id_: int) -> DownloadInfo:
        return self._change("resume", id_)

    async def cancel(self, id_: int) -> DownloadInfo:
        return self._change("cancel", id_)

    def _change(self, what: str, id_: int) -> DownloadInfo:
        if id_ == 404:
            raise SamovarError(FailureCode.NOT_FOUND, "There is no download 404.", hint="List them.")
        self.changed.append((what, id_))
        return DownloadInfo(id=id_, name="a", state="paused")


@dataclass
class FakeTokens:
    """Tokens in memory."""

    live: dict[str, TokenInfo] = field(default_factory=dict)
    listeners: list[Callable[[TokenInfo], None]] = field(default_factory=list)

    def add(self, secret: str, *scopes: Scope) -> str:
        self.live[secret] = TokenInfo(name=f"token {secret}", scopes=list(scopes), created_at=0)
        return secret

    def revoke(self, secret: str) -> None:
        token = self.live.pop(secret)
        for listener in tuple(self.listeners):
            listener(token)

    def expire(self, secret: str) -> None:
        """Its time is over, and those who listen hear of it."""
        token = self.live[secret] = msgspec.structs.replace(self.live[secret], expires_at=1_700_000_000.0)
        for listener in tuple(self.listeners):
            listener(token)

    def check(self, secret: str) -> TokenInfo | None:
        return self.live.get(secret)

    def any(self) -> bool:
        return bool(self.live)

    def on_revoke(self, listener: Callable[[TokenInfo], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class LaterDocuments:
    """Whatever the fixture `documents` puts here, for the tests that ask for it."""

    def __init__(self) -> None:
        self.fake: FakeDocuments | None = None

    def __getattr__(self, name: str) -> Any:
        assert self.fake is not None, "the test has no documents"
        return getattr(self.fake, name)


class Agent:
    """The server and everything that a test may turn."""

    def __init__(self, home: Path) -> None:
        self.settings = SettingsFile(home / "config.toml", {})
        self.settings.set("server.port", 0)
        self.events = EventBus()
        self.tokens = FakeTokens()
        self.instances = FakeInstances()
        self.downloads = FakeDownloads()
        self.store = SimpleNamespace(tokens=self.tokens)
        self.documents = LaterDocuments()
        self.library = FakeLibrary([model(KEY, added_at=1_700_000_000.5)])
        self.services = cast(
            "Services",
            SimpleNamespace(
                settings=self.settings,
                events=self.events,
                store=self.store,
                places=SimpleNamespace(data=home / "data", socket_folder=lambda: home / "run"),
                documents=self.documents,
                conversations=None,
                library=self.library,
                instances=self.instances,
                downloads=self.downloads,
                http=HttpInfo(),
            ),
        )
        self.server = HttpServer(self.services)
        self.url = ""

    async def start(self) -> HttpInfo:
        info = await self.server.start()
        self.url = info.urls[0] if info.urls else ""
        return info

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error = self.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}, "the shape that OpenAI's clients read"
        return cast(dict[str, Any], error)

    @property
    def events(self) -> list[Any]:
        """What the lines `data:` hold."""
        lines = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def comments(self) -> list[str]:
        return [line[2:] for line in self.body.decode().split("\n") if line.startswith(": ")]


class Browser:
    """A client that sends exactly what the test says."""

    # The ban is for the product: what it says on the network passes the gate. This talks to our own server.
    def __init__(self, agent: Agent, session: aiohttp.ClientSession) -> None:
        self._agent = agent
        self.session = session

    async def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        async with self.session.request(method, self._agent.url + path, **arguments) as response:
            return Answer(response.status, response.headers, await response.read())

    async def chat(self, headers: dict[str, str] | None = None, **body: Any) -> Answer:
        return await self.ask("POST", "/v1/chat/completions", json=chat_body(**body), headers=headers)

    def open_stream(self, headers: dict[str, str] | None = None, **body: Any) -> Any:
        url = self._agent.url + "/v1/chat/completions"
        return self.session.post(url, json=chat_body(stream=True, **body), headers=headers)


def model(key: str, **values: Any) -> ModelInfo:
    publisher, _, name = key.partition("/")
    return ModelInfo(**{"key": key, "name": name, "publisher": publisher, "path": "/x.gguf", "size_bytes": 1, **values})


def chat_body(**changes: Any) -> dict[str, Any]:
    return {"model": KEY, "messages": [{"role": "user", "content": "Hello?"}], **changes}


@pytest.fixture
async def idle_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """Not started yet."""
    agent = Agent(tmp_path)
    yield agent
    await agent.server.stop()


@pytest.fixture
async def agent(idle_agent: Agent) -> Agent:
    await idle_agent.start()
    return idle_agent


@pytest.fixture
async def documents(idle_agent: Agent, tmp_path: Path) -> AsyncIterator[FakeDocuments]:
    """Documents and conversations in a real store."""
    store = await Store.open(tmp_path / "samovar.db")
    for name in ("files", "attachments", "vector_stores", "collections"):
        setattr(idle_agent.store, name, getattr(store, name))
    idle_agent.documents.fake = FakeDocuments(store)
    idle_agent.services.conversations = ConversationService(store, idle_agent.events)
    yield idle_agent.documents.fake
    await store.close()


@pytest.fixture
async def client(agent: Agent, documents: FakeDocuments) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client, over an agent with documents."""
    async with openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key="not-needed", max_retries=0) as client:
        yield client


@pytest.fixture
async def browser(idle_agent: Agent) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(idle_agent, session)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Wait for a condition, with a deadline."""

    async def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
