"""The service put together: what only its parts can do with each other. The engine exists in memory only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.service import DocumentService
from samovar_agent.events import EventBus
from samovar_protocol import Places
from samovar_protocol.requests import DocsAdd, DocsExport, DocsImport
from samovar_protocol.values import Progress
from tests.samovar_agent.documents.bench import Bench, until_so

if TYPE_CHECKING:
    from samovar_agent.engine.instances import Instances
    from samovar_agent.models.library import Library
    from samovar_agent.settings import SettingsFile

MODEL = "acme/small"


def quiet(progress: Progress) -> None:
    """Nobody looks."""


class Opened:
    """The service over a bench. - events: that it hears."""

    def __init__(self, bench: Bench, home: Path) -> None:
        self.bench, self.events = bench, EventBus()
        self.documents = DocumentService(
            store=bench.store,
            instances=cast("Instances", bench.instances),
            library=cast("Library", bench.library),
            settings=cast("SettingsFile", bench.settings),
            events=self.events,
            places=Places.find({"SAMOVAR_HOME": str(home)}),
            conversations=ConversationService(bench.store, self.events),
        )

    async def has_vectors(self, name: str) -> bool:
        [info] = await self.documents.collections(name)
        return info.model == MODEL and info.embedded == info.chunks > 0


@pytest.fixture
async def opened(documents_bench: Bench, tmp_path: Path) -> AsyncIterator[Opened]:
    opened = Opened(documents_bench, tmp_path / "home")
    await opened.documents.open()
    yield opened
    await opened.documents.close()


async def test_an_import_without_vectors_gets_those_of_the_model_that_is_here(opened: Opened, tmp_path: Path) -> None:
    await opened.documents.add(DocsAdd(collection="notes", text="Tea is hot."), on_progress=quiet)
    path = str(tmp_path / "notes.samovar")
    await opened.documents.export(DocsExport(collection="notes", path=path), on_progress=quiet)
    await opened.documents.delete("notes")
    opened.bench.add_model(MODEL)  # and nobody says so, as for a model that had been here all the time
    info = await opened.documents.import_(DocsImport(path=path), on_progress=quiet)
    assert info.model == MODEL
    await until_so(lambda: opened.has_vectors("notes"))
