"""The service put together: what only its parts can do with each other. The engine exists in memory only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.service import DocumentService
from samovar_agent.events import EventBus
from samovar_protocol import Places
from samovar_protocol.events import LibraryChanged
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsAdd, DocsCreate, DocsExport, DocsImport, DocsSearch
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

    async def near(self, collection: str, query: str) -> list[str]:
        """What is found by meaning: none of the query's words may be in it."""
        items = self.documents.search(DocsSearch(query=query, collections=[collection], limit=1), client="test")
        replies = [item async for item in items if isinstance(item, DocsSearchReply)]
        assert replies[-1].method == "words and vectors"
        return [passage.text for passage in replies[-1].passages]


@pytest.fixture
async def opened(documents_bench: Bench, tmp_path: Path) -> AsyncIterator[Opened]:
    opened = Opened(documents_bench, tmp_path / "home")
    await opened.documents.open()
    yield opened
    await opened.documents.close()


async def test_a_model_that_comes_is_what_collections_have_waited_for(opened: Opened) -> None:
    await opened.documents.add(DocsAdd(collection="notes", text="Tea is hot."), on_progress=quiet)
    await opened.documents.create(DocsCreate(name="letters", words_only=True))
    opened.bench.add_model(MODEL)
    opened.events.publish(LibraryChanged(models=1))
    await until_so(lambda: opened.has_vectors("notes"))
    [letters] = await opened.documents.collections("letters")
    assert letters.model is None


async def test_an_import_without_vectors_gets_those_of_the_model_that_is_here(opened: Opened, tmp_path: Path) -> None:
    await opened.documents.add(DocsAdd(collection="notes", text="Tea is hot."), on_progress=quiet)
    path = str(tmp_path / "notes.samovar")
    await opened.documents.export(DocsExport(collection="notes", path=path), on_progress=quiet)
    await opened.documents.delete("notes")
    opened.bench.add_model(MODEL)  # and nobody says so, as for a model that had been here all the time
    info = await opened.documents.import_(DocsImport(path=path), on_progress=quiet)
    assert info.model == MODEL
    await until_so(lambda: opened.has_vectors("notes"))


async def test_what_gets_the_vectors_of_other_documents_is_found_by_them_at_once(opened: Opened) -> None:
    text = DocsAdd(collection="notes", text="The kettle sings.", name="a")
    await opened.documents.add(text, on_progress=quiet)
    opened.bench.add_model(MODEL)
    opened.events.publish(LibraryChanged(models=1))
    await until_so(lambda: opened.has_vectors("notes"))
    assert await opened.near("notes", "samovar") == ["The kettle sings."]  # the index is open from now on
    asked = opened.bench.instances.asked
    # Cut for the model, as what is there was not, and so another content with the same words.
    await opened.documents.add(msgspec.structs.replace(text, collection="others"), on_progress=quiet)
    assert await opened.near("others", "samovar") == ["The kettle sings."]
    assert opened.bench.instances.asked == asked + 1, "for the query alone"
