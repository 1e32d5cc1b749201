"""What tests of the engine share: a library of one or two models, a model file, and workers that misbehave."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.engine.process import WORKER_COMMAND
from samovar_agent.engine.residents import SnapshotPlaces
from samovar_agent.events import EventBus
from samovar_agent.models.gguf import GgufHeader, read_header
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import InstanceChanged
from samovar_protocol.values import InstanceInfo, ModelInfo


def header(**changes: Any) -> GgufHeader:
    """The header of a small, invented model."""
    facts: dict[str, Any] = {
        "version": 3,
        "architecture": "llama",
        "kind": "model",
        "name": None,
        "organization": None,
        "licence": None,
        "parameters": 1000,
        "quantization": "Q4_1",
        "context_length": 4096,
        "block_count": 2,
        "embedding_length": 64,
        "feed_forward_length": 128,
        "head_count": 4,
        "head_counts_kv": (2, 2),
        "key_length": 16,
        "value_length": 16,
        "sliding_window": None,
        "recurrent": False,
        "shape": {},
        "vocabulary_size": 1000,
        "merge_count": 0,
        "chat_template": None,
        "pooling_type": None,
        "tensor_count": 1,
        "tensor_bytes": 1_000_000,
        "file_bytes": 1_000_100,
        "split_count": 1,
        "split_index": 0,
    }
    return GgufHeader(**{**facts, **changes})


@dataclass
class FakeFile:
    info: ModelInfo
    header: GgufHeader


class FakeLibrary:
    """Answers like `Library`, from memory."""

    def __init__(self) -> None:
        self.files: dict[str, FakeFile] = {}
        self.missing: set[str] = set()

    def add(self, key: str, path: Path | None = None, head: GgufHeader | None = None) -> None:
        publisher, name = key.split("/")
        where = str(path or f"/nowhere/{name}.gguf")
        info = ModelInfo(key=key, name=name, publisher=publisher, path=where, size_bytes=1, capabilities=["chat"])
        self.files[key] = FakeFile(info, head or header())

    def key_of(self, name: str) -> str:
        for key in self.files:
            if name in (key, key.split("/")[1]):
                return key
        raise SamovarError(FailureCode.MODEL_UNKNOWN, f"No model is called '{name}'.")

    def find(self, name: str) -> FakeFile:
        key = self.key_of(name)
        if key in self.missing:
            raise SamovarError(FailureCode.MODEL_FILE_MISSING, f"The file of '{key}' is not there.")
        return self.files[key]

    def ls(self) -> list[ModelInfo]:
        return [file.info for file in self.files.values()]


@dataclass
class Bench:
    """Instances over a fake library, and what they told. - mode: how the fake worker loads; None for the real one."""

    instances: Instances
    library: FakeLibrary
    settings: SettingsFile
    told: list[InstanceInfo]

    @property
    def states(self) -> list[str]:
        """The states that were told, each once in a row."""
        states = [info.state for info in self.told]
        return [state for at, state in enumerate(states) if at == 0 or states[at - 1] != state]


MakeBench = Callable[..., Bench]


@pytest.fixture
async def make_bench(tmp_path: Path) -> AsyncIterator[MakeBench]:
    made: list[Bench] = []

    def make(mode: str | None = "good", *, patience: float = 0.3, snapshots: SnapshotPlaces | None = None) -> Bench:
        library, events, told = FakeLibrary(), EventBus(), list[InstanceInfo]()
        library.add("maker/small")

        def note(sequence: int, when: float, cause: str | None, event: object) -> None:
            if isinstance(event, InstanceChanged):
                told.append(event.instance)

        events.subscribe(note)
        fake = (sys.executable, str(Path(__file__).with_name("fake_worker.py")), mode or "")
        settings = SettingsFile(tmp_path / "config.toml", environ={})
        instances = Instances(
            library=cast(Library, library),
            settings=settings,
            events=events,
            logs=tmp_path / "logs",
            snapshots=snapshots,
            worker_command=WORKER_COMMAND if mode is None else fake,
            patience=patience,
        )
        made.append(Bench(instances, library, settings, told))
        return made[-1]

    yield make
    for bench in made:
        await bench.instances.close()


@pytest.fixture
def real_bench(make_bench: MakeBench, small_model: Path) -> Bench:
    bench = make_bench(None, patience=5.0)
    bench.library.files.clear()
    bench.library.add("maker/small", small_model, read_header(small_model))
    return bench


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Wait for a condition, with a deadline."""

    async def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            await asyncio.sleep(0.01)

    return wait
