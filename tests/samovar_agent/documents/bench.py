"""Documents over a real store, with engines and a library that exist in memory only.

bench = await Bench.open(tmp_path)
bench.add_model("acme/small")
source = await bench.folder("notes", {"tea.md": "Tea is hot."})
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import msgspec

from samovar_agent.documents.embedding_models import EmbeddingModels
from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.lazy_vectors import LazyVectorSearch
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow, NewDocument
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, EmbedReply, RerankReply
from samovar_protocol.values import InstanceInfo, Message, ModelInfo, Progress, RankedDocument, Stats, Text

if TYPE_CHECKING:
    from samovar_agent.engine.instances import Instances
    from samovar_agent.models.library import Library
    from samovar_agent.settings import SettingsFile

DIMENSIONS = 64
SAME = {"samovar": "kettle", "boiler": "kettle", "bill": "rent", "lease": "rent"}
"""Words that the fake models take for one."""


def vector_of(text: str, dimensions: int = DIMENSIONS) -> bytes:
    """Near for texts with the same words, or words that mean the same."""
    values = [1e-3] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        word = SAME.get(word, word)
        values[hashlib.sha256(word.encode()).digest()[0] % dimensions] += 1.0
    length = math.sqrt(sum(value * value for value in values))
    return struct.pack(f"<{dimensions}f", *(value / length for value in values))


class FakeLibrary:
    """The models that are there."""

    def __init__(self) -> None:
        self.models: dict[str, ModelInfo] = {}
        self.widths: dict[str, int] = {}

    def header(self, key: str) -> SimpleNamespace | None:
        return SimpleNamespace(embedding_length=self.widths.get(key, 0)) if key in self.models else None

    def ls(self) -> list[ModelInfo]:
        return list(self.models.values())

    def find(self, name: str) -> SimpleNamespace:
        for key, info in self.models.items():
            if name in (key, info.name):
                return SimpleNamespace(info=info)
        raise SamovarError(FailureCode.MODEL_UNKNOWN, f"No model is called '{name}'.")


@dataclass
class FakeInstances:
    """Engines that need no time.

    - asked: how many times vectors were asked for. - most_words: of a text that is embedded; more overflow the context.
    - refused: what no text that is embedded may have. - failures: raised by the next requests, one each.
    - gate: requests wait for it. - embedded, counted, prompts: what was asked for. - says: what chats reply.
    """

    asked: int = 0
    most_words: int = 1000
    context: int = 4096
    failures: list[SamovarError] = field(default_factory=list)
    count_failure: SamovarError | None = None
    refused: str = ""
    gate: asyncio.Event | None = None
    embedded: list[tuple[str, list[str]]] = field(default_factory=list)
    counted: int = 0
    prompts: list[list[Message]] = field(default_factory=list)
    options: list[object] = field(default_factory=list)
    samplings: list[object] = field(default_factory=list)
    says: str = "It is hot [1]."
    dimensions: int = DIMENSIONS
    loaded: list[InstanceInfo] = field(default_factory=list)
    rank: Callable[[str], float] | None = None

    async def embed(
        self, model: str, inputs: Sequence[str], *, priority: str = "", client: str = ""
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        self.asked += 1
        yield Progress(stage="loading", done=1, total=1, unit="ratio")
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if any(len(text.split()) > self.most_words for text in inputs):
            raise SamovarError(FailureCode.CONTEXT_OVERFLOW, "A text is too long.")
        if self.refused and any(self.refused in text for text in inputs):
            raise SamovarError(FailureCode.BAD_REQUEST, "A text is refused.")
        self.embedded.append((model, list(inputs)))
        vectors = b"".join(vector_of(text, self.dimensions) for text in inputs)
        yield EmbedReply(model=model, dimensions=self.dimensions, vectors=vectors, prompt_tokens=1, seconds=0.0)

    async def rerank(
        self, model: str, query: str, documents: Sequence[str], *, client: str = ""
    ) -> AsyncGenerator[Progress | RerankReply, None]:
        yield Progress(stage="loading", done=1, total=1, unit="ratio")
        if self.rank is None:
            raise SamovarError(FailureCode.MODEL_UNKNOWN, "There is no rerank model on this machine.")
        results = [RankedDocument(index=index, score=self.rank(text)) for index, text in enumerate(documents)]
        results.sort(key=lambda one: -one.score)
        yield RerankReply(model=model or "acme/ranker", results=results, prompt_tokens=1, seconds=0.0)

    async def generate(
        self, model: str | None, messages: Sequence[Message], sampling: object, options: object, *, client: str = ""
    ) -> AsyncGenerator[Text | ChatReply, None]:
        self.prompts.append(list(messages))
        self.options.append(options)
        self.samplings.append(sampling)
        if self.failures:
            raise self.failures.pop(0)
        for piece in self.says.split(" "):
            yield Text(text=piece + " ", tokens=1)
        yield ChatReply(model=model or "", text=self.says, finish_reason="stop", stats=Stats())

    async def ready(self, model: str | None, capability: str) -> AsyncGenerator[Progress | InstanceInfo, None]:
        yield Progress(stage="loading", done=1, total=1, unit="ratio")
        key = model or "acme/chat"
        yield InstanceInfo(identifier=key, model=key, state="ready", context_length=self.context)

    async def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        if self.count_failure is not None:
            raise self.count_failure
        self.counted += 1
        return [len(text.split()) for text in texts]

    def ls(self) -> list[InstanceInfo]:
        return self.loaded


class PlainReader:
    """Takes files as they are; one with "crash" in its name ends the reader. - asked: names of what it read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def extract(self, path: Path) -> Extracted:
        self.asked.append(path.name)
        if "crash" in path.name:
            problem = Problem(reason="crashed", message="The reader was ended by SIGKILL.", hint="Save it anew.")
            return Extracted(title=path.name, media_type="", text="", problem=problem)
        return Extracted(title=path.name, media_type="text/plain", text=path.read_text())


class Bench:
    """See the head of this file. - told: what the parts said of collections."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.path, self.store = folder, store
        self.library, self.instances = FakeLibrary(), FakeInstances()
        self.settings = SimpleNamespace(current=SimpleNamespace(documents=SimpleNamespace(embedding_model="")))
        self.models = EmbeddingModels(
            cast("Library", self.library), cast("Instances", self.instances), cast("SettingsFile", self.settings)
        )
        self.vectors = LazyVectorSearch(store, folder / "vectors")
        self.told: list[int] = []

    @classmethod
    async def open(cls, folder: Path) -> Bench:
        return cls(folder, await Store.open(folder / "samovar.db"))

    def add_model(
        self,
        key: str,
        *,
        size: int = 1000,
        context: int | None = 512,
        state: str = "ready",
        capabilities: Sequence[str] = ("embedding",),
    ) -> str:
        publisher, name = key.split("/")
        info = ModelInfo(
            key=key,
            name=name,
            publisher=publisher,
            path=f"/nowhere/{name}.gguf",
            size_bytes=size,
            context_length=context,
            state=state,  # type: ignore[arg-type]
            capabilities=list(capabilities),
        )
        self.library.models[key] = info
        return key

    async def document(
        self,
        collection: int,
        name: str,
        texts: Sequence[str],
        *,
        heading: str = "",
        tokens: int | None = None,
        media_type: str = "text/plain",
    ) -> DocumentRow:
        """A document that was read, with a chunk for each text."""
        path = str(self.path / str(collection) / name)
        sources = [source for source in await self.store.sources.ls(collection) if source.kind == "folder"]
        folder = sources[0] if sources else await self.store.sources.add(collection, "folder", str(Path(path).parent))
        new = NewDocument(collection=collection, source=folder.id, path=path, name=name, size=1, mtime=1.5)
        [id_] = await self.store.documents.add([new])
        [taken] = await self.store.documents.take(1)
        assert taken.id == id_
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        chunks, start = [], 0
        for text in texts:
            length = len(text.split()) if tokens is None else tokens
            chunks.append(NewChunk(text=text, start=start, end=start + len(text), tokens=length, heading=heading))
            start += len(text) + 20  # too far apart to become one passage
        read = msgspec.structs.replace(taken, sha256=digest, title=name, media_type=media_type)
        assert await self.store.documents.put_document(read, chunks) is not None
        [row] = await self.store.documents.get([id_])
        return row

    async def embed_all(self, model: str) -> None:
        """Give every chunk its vector of this model."""
        for collection in await self.store.collections.ls():
            while chunks := await self.store.vectors.without(model, collection.id, 0, 100):
                await self.vectors.add(model, [(chunk.chunk, vector_of(chunk.text)) for chunk in chunks])

    async def without_vectors(self, model: str, collection: int) -> int:
        return len(await self.store.vectors.without(model, collection, 0, 1000))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def until_so(condition: Callable[[], Awaitable[bool]]) -> None:
    """The same for a condition that must be asked for."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


def crashed() -> SamovarError:
    return SamovarError(FailureCode.WORKER_CRASHED, "The worker was ended by SIGKILL.", hint="Try again.")
