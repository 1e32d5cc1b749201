from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from samovar_agent.events import EventBus
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import Places
from samovar_protocol.events import AnyEvent
from samovar_protocol.values import ModelInfo, Progress


@dataclass
class Home:
    """A library in a folder of its own. - published: every event so far. - told: progress of imports."""

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
        library = Library(places=self.places, settings=settings, events=EventBus(), store=self.store)
        await library.open()
        return library

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
    library = Library(places=places, settings=settings, events=events, store=store)
    await library.open()
    yield Home(places, settings, events, store, library, published, [])
    await store.close()
