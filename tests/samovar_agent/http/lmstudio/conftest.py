"""A server over a library of three models with headers, and instances that are loaded as the test says."""

import json
import time
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from samovar_agent.engine.instances import Keep
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import EmbedReply, LoadReply
from samovar_protocol.values import InstanceInfo, MemoryEstimate, ModelInfo, Progress
from tests.samovar_agent.engine.conftest import header
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser, FakeInstances, FakeLibrary, model

THINKER, EMBEDDER = "maker/thinker@Q4_K_M", "maker/vectors"
QWEN = "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{{ tools }}"
ESTIMATE = MemoryEstimate(
    need_bytes=1, free_bytes=2, weights_bytes=1, cache_bytes=0, buffer_bytes=0, context_length=4096
)


@dataclass
class LmInstances(FakeInstances):
    """Also loads: `loading` is told, and then an instance is there. - keeps: what was asked for it."""

    loading: list[Progress | Exception] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    loads: list[dict[str, Any]] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    runtime: str = "llama.cpp b9999"

    def instance(self, identifier: str, model: str = KEY, **values: Any) -> InstanceInfo:
        info = InstanceInfo(
            **{
                "identifier": identifier,
                "model": model,
                "state": "ready",
                "context_length": 4096,
                "runtime": self.runtime,
                "loaded_at": 1.0,
                **values,
            }
        )
        self.loaded.append(info)
        return info

    async def ready(self, model: str, capability: str, *, keep: Keep) -> AsyncGenerator[Progress | InstanceInfo, None]:
        self.keeps.append(keep)
        found = next((one for one in self.loaded if model in (one.identifier, one.model)), None)
        if found is None:
            for item in self.loading:
                if isinstance(item, Exception):
                    raise item
                yield item
            found = self.instance(model, loaded_at=time.time(), context_length=keep.context or 4096)
        yield found

    async def embed(
        self, model: str, inputs: Sequence[str | list[int]], *, dimensions: int | None, client: str, **more: Any
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        self.others.append((model, inputs, dimensions))
        data = b"".join(array("f", vector).tobytes() for vector in self.vectors)
        yield EmbedReply(model=EMBEDDER, dimensions=2, vectors=data, prompt_tokens=7, seconds=0.5)

    async def load(self, name: str, **options: Any) -> LoadReply:
        self.loads.append({"name": name, **options})
        for item in self.loading:
            if isinstance(item, Exception):
                raise item
        there = [one for one in self.loaded if options["identifier"] in (None, one.identifier) and one.model == name]
        info = there[0] if there else None
        if info is None:
            context = options["context"] or 4096
            ttl = options["ttl_seconds"]
            info = self.instance(options["identifier"] or name, name, context_length=context, ttl_seconds=ttl)
        return LoadReply(estimate=ESTIMATE, instance=info, already_loaded=bool(there))

    async def unload(self, name: str) -> str:
        for one in self.loaded:
            if name in (one.identifier, one.model):
                self.unloaded.append(one.identifier)
                return one.identifier
        raise SamovarError(FailureCode.MODEL_UNKNOWN, f"'{name}' is not in memory.", hint="`samovar ps` lists what is.")


@dataclass
class LmLibrary(FakeLibrary):
    """Models with what their files say."""

    headers: dict[str, GgufHeader] = field(default_factory=dict)

    def add(self, info: ModelInfo, head: GgufHeader) -> None:
        self.models.append(info)
        self.headers[info.key] = head

    def header(self, key: str) -> GgufHeader | None:
        return self.headers.get(key)

    def find(self, name: str) -> SimpleNamespace:
        key = self.key_of(name)
        info = next(one for one in self.models if one.key == key)
        return SimpleNamespace(info=info, header=self.headers[key])


class LmStudio:
    """The agent and a client of it."""

    def __init__(self, agent: Agent, browser: Browser, store: Store) -> None:
        self.agent, self.browser, self.store = agent, browser, store
        self.instances, self.library = LmInstances(), LmLibrary()
        services: Any = agent.services
        services.instances, services.library = self.instances, self.library
        agent.instances, agent.library = self.instances, self.library
        for name in ("responses", "downloads"):
            setattr(services.store, name, getattr(store, name))
        self.library.add(
            model(
                KEY,
                architecture="llama",
                quantization="Q4_1",
                parameters=134_515_008,
                context_length=8192,
                capabilities=["chat"],
                size_bytes=98_362_432,
            ),
            header(name="Smol", parameters=134_515_008, tensor_bytes=96_500_000),
        )
        self.library.add(
            model(
                THINKER,
                architecture="qwen3moe",
                quantization="Q4_K_M",
                parameters=30_532_122_624,
                context_length=40_960,
                capabilities=["chat", "tools", "thinking", "vision"],
                name="thinker",
            ),
            header(name="Thinker 30B", chat_template=QWEN, shape={"expert_used_count": (8,)}, parameters=0),
        )
        self.library.add(
            model(EMBEDDER, architecture="bert", context_length=512, capabilities=["embedding"]), header(parameters=0)
        )

    async def post(self, path: str, **body: Any) -> Answer:
        return await self.browser.ask("POST", path, json=body)

    async def get(self, path: str) -> Answer:
        return await self.browser.ask("GET", path)

    async def chat(self, **body: Any) -> Answer:
        return await self.post("/api/v1/chat", **{"model": KEY, "input": "Hello?", **body})


def error(answer: Answer) -> dict[str, Any]:
    """The failure, in LM Studio's shape."""
    body = answer.json()
    assert set(body) == {"error"} and {"message", "type", "code"} <= set(body["error"]) <= {
        *("message", "type", "code", "param"),
    }
    return cast(dict[str, Any], body["error"])


def named_events(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream with their names, which their data repeat."""
    found = []
    for block in answer.body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name, data = lines
        decoded = json.loads(data.removeprefix("data: "))
        assert name == f"event: {decoded['type']}"
        found.append((decoded.pop("type"), decoded))
    return found


@pytest.fixture
async def lm(agent: Agent, browser: Browser, tmp_path: Path) -> AsyncIterator[LmStudio]:
    store = await Store.open(tmp_path / "samovar.db")
    yield LmStudio(agent, browser, store)
    await agent.server.stop()  # before the store goes
    await store.close()
