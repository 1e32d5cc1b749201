from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from samovar_agent.events import EventBus
from samovar_agent.models.library import Library
from samovar_agent.platforms.model_folders import ModelFolders
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import Places
from samovar_protocol.events import AnyEvent
from samovar_protocol.values import ModelInfo, Progress, VerifiedModel


@dataclass
class Home:
    """A library in a folder of its own. - published: every event so far. - told: progress of what takes time.

    - others: where its other programs keep models; empty folders at first.
    """

    others: ModelFolders
    places: Places
    settings: SettingsFile
    events: EventBus
    store: Store
    library: Library
    published: list[AnyEvent]
    told: list[Progress]

    async def restarted(self) -> Library:
        """What a new agent on the same home would see."""
        settings = SettingsFile(self.places.config_file, {})
        library = Library(
            places=self.places, settings=settings, events=EventBus(), store=self.store, others=self.others
        )
        await library.open()
        return library

    async def verify(self, name: str | None = None) -> list[VerifiedModel]:
        return await self.library.verify(name, on_progress=self.told.append)

    async def import_(self, path: Path, mode: str = "link", name: str | None = None) -> ModelInfo:
        return await self.library.import_(str(path), mode=mode, name=name, on_progress=self.told.append)

    def keys(self) -> list[str]:
        return [model.key for model in self.library.ls()]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    root = tmp_path / "home"
    places = Places(config=root, data=root, logs=root / "logs")
    settings = SettingsFile(places.config_file, {})
    events = EventBus()
    published: list[AnyEvent] = []
    events.subscribe(lambda _number, _time, _cause, event: published.append(event))
    store = await Store.open(places.database_file)
    others = ModelFolders(
        lmstudio=(tmp_path / "lmstudio",),
        ollama=(tmp_path / "ollama",),
        huggingface=(tmp_path / "hub",),
        llama_cpp=(tmp_path / "llama.cpp",),
    )
    library = Library(places=places, settings=settings, events=events, store=store, others=others)
    await library.open()
    yield Home(others, places, settings, events, store, library, published, [])
    await store.close()
