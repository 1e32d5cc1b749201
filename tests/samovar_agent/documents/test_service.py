import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.service import DocumentService
from samovar_agent.events import EventBus
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.documents import CollectionInfo
from samovar_protocol.events import AnyEvent, CollectionChanged, LibraryChanged
from samovar_protocol.replies import DocsAddReply, DocsSearchReply
from samovar_protocol.requests import (
    DocsAdd,
    DocsChange,
    DocsCreate,
    DocsLs,
    DocsRetry,
    DocsRm,
    DocsSearch,
    DocsText,
    DocsWatch,
)
from tests.samovar_agent.documents.bench import Bench, crashed, until, until_so
from tests.samovar_agent.documents.extraction import samples

if TYPE_CHECKING:
    from samovar_agent.engine.instances import Instances
    from samovar_agent.models.library import Library
    from samovar_agent.settings import SettingsFile

SMALL, OTHER = "acme/small", "acme/other"


class Served:
    """The whole service over a bench, which reads files with real processes. - told: of collections, in order."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.root = bench.path / "notes"
        self.root.mkdir(exist_ok=True)
        self.told: list[tuple[CollectionInfo, bool]] = []
        self.events = EventBus()
        self.events.subscribe(self._heard)
        self.service = self.make()

    def make(self) -> DocumentService:
        return DocumentService(
            store=self.bench.store,
            instances=cast("Instances", self.bench.instances),
            library=cast("Library", self.bench.library),
            settings=cast("SettingsFile", self.bench.settings),
            events=self.events,
            places=Places.find({"SAMOVAR_HOME": str(self.bench.path / "home")}),
            conversations=ConversationService(self.bench.store, self.events),
        )

    def _heard(self, number: int, when: float, cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, CollectionChanged):
            self.told.append((event.collection, event.gone))

    async def restart(self) -> None:
        await self.service.close()
        self.service = self.make()
        await self.service.open()

    async def add(self, *paths: Path, collection: str = "notes", text: str | None = None) -> DocsAddReply:
        request = DocsAdd(paths=[str(path) for path in paths], collection=collection, text=text)
        return await asyncio.wait_for(self.service.add(request, on_progress=lambda _: None), 60)

    async def names(self, query: str) -> list[str]:
        return [passage.name for passage in (await self.search(query)).passages]

    async def search(self, query: str) -> DocsSearchReply:
        async for item in self.service.search(DocsSearch(query=query), client="test"):
            if isinstance(item, DocsSearchReply):
                return item
        raise AssertionError("a search ends with its reply or raises")

    async def info(self, name: str = "notes") -> CollectionInfo:
        [info] = await self.service.collections(name)
        return info

    def is_so(self, condition: Callable[[CollectionInfo], bool]) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return condition(await self.info())

        return check


async def until_added(served: Served) -> None:
    async def added() -> bool:
        return bool(await served.bench.store.documents.ls(limit=1))

    await until_so(added)


@pytest.fixture
async def served(documents_bench: Bench) -> AsyncIterator[Served]:
    served = Served(documents_bench)
    await served.service.open()
    yield served
    await served.service.close()


async def test_added_found_changed_removed(served: Served) -> None:
    served.bench.add_model(SMALL)
    (served.root / "tea.md").write_text("# Tea\n\nThe kettle sings.")
    reply = await served.add(served.root)
    assert (reply.added, reply.collection.embedded) == (1, 1)
    found = await served.search("samovar")
    assert found.method == "words and vectors"
    assert found.passages[0].headings == ["Tea"]
    text = await served.service.text(DocsText(document=found.passages[0].document))
    assert "The kettle sings." in text.text
    assert await served.service.rm(DocsRm(collection="notes", paths=[str(served.root / "tea.md")])) == 1
    assert await served.names("kettle") == []
    assert await served.service.delete("notes") == 0
    assert served.told[-1][1] is True
    with pytest.raises(SamovarError) as raised:
        await served.info()
    assert raised.value.code == FailureCode.NOT_FOUND


async def test_a_model_that_comes_is_adopted(served: Served) -> None:
    await served.add(text="The kettle sings.")
    await served.service.create(DocsCreate(name="plain", words_only=True))
    assert (await served.search("kettle")).method == "words"
    served.bench.add_model(SMALL)
    served.events.publish(LibraryChanged(models=1))
    await until_so(served.is_so(lambda info: info.model == SMALL and not info.busy))
    assert (await served.search("samovar")).method == "words and vectors"
    assert (await served.info("plain")).model is None
    await until(lambda: any(info.model == SMALL and info.embedded == 1 for info, _ in served.told))


async def test_a_model_that_came_while_no_agent_ran_is_adopted_too(served: Served) -> None:
    await served.add(text="The kettle sings.")
    served.bench.add_model(SMALL)
    await served.restart()
    await until_so(served.is_so(lambda info: info.model == SMALL and not info.busy))


async def test_words_only_drops_the_vectors_and_back(served: Served) -> None:
    served.bench.add_model(SMALL)
    await served.add(text="The kettle sings.")
    await served.service.change(DocsChange(collection="notes", words_only=True))
    assert await served.bench.store.vectors.models() == []
    assert (await served.search("kettle")).method == "words"
    await served.service.change(DocsChange(collection="notes", model=SMALL))
    await until_so(served.is_so(lambda info: not info.busy))
    assert (await served.search("samovar")).method == "words and vectors"


async def test_another_model_takes_over_and_is_told(served: Served) -> None:
    for key in (SMALL, OTHER):
        served.bench.add_model(key)
    await served.service.create(DocsCreate(name="notes", model=SMALL))
    await served.add(text="The kettle sings.")
    info = await served.service.change(DocsChange(collection="notes", model=OTHER))
    assert (info.model, info.next_model) == (SMALL, OTHER)
    await until_so(served.is_so(lambda info: (info.model, info.next_model) == (OTHER, None)))
    assert await served.names("samovar") != []
    assert (served.told[0][0].name, served.told[0][0].model) == ("notes", SMALL)


async def test_why_nothing_is_embedded_is_said(served: Served) -> None:
    served.bench.add_model(SMALL)
    served.bench.instances.failures = [crashed()] * 100
    reply = await served.add(text="The kettle sings.")
    assert "SIGKILL" in (reply.collection.problem or "")
    served.bench.instances.failures = []
    await served.service.retry(DocsRetry())
    await until_so(served.is_so(lambda info: not info.busy and info.problem is None))


async def test_what_failed_is_read_again(served: Served) -> None:
    (served.root / "a.pdf").write_bytes(b"%PDF-1.4 cut off")
    reply = await served.add(served.root)
    [failed] = reply.failed
    assert failed.problem
    (served.root / "a.pdf").write_bytes(samples.pdf([[(12, "The kettle sings.")]]))
    await served.service.retry(DocsRetry(collection="notes", documents=[failed.id]))
    await until_so(served.is_so(lambda info: not info.busy and info.failed == 0))
    assert await served.names("kettle") == ["a.pdf"]


async def test_a_source_is_watched_or_not(served: Served) -> None:
    (served.root / "a.md").write_text("First.")
    await served.add(served.root)
    source = await served.service.watch(DocsWatch(collection="notes", path=str(served.root), watch=False))
    assert source.watch is False
    [listed] = (await served.service.ls(DocsLs(collection="notes"))).sources
    assert listed == source
    with pytest.raises(SamovarError) as raised:
        await served.service.watch(DocsWatch(collection="notes", path="/nowhere"))
    assert raised.value.code == FailureCode.NOT_FOUND


async def test_what_was_interrupted_goes_on_after_a_restart(served: Served) -> None:
    served.bench.add_model(SMALL)
    served.bench.instances.gate = asyncio.Event()
    for number in range(20):
        (served.root / f"{number}.md").write_text(f"Number {number} sings.")
    adding = asyncio.create_task(served.add(served.root))
    await until_added(served)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    await served.service.close()
    served.bench.instances.gate = None
    served.service = served.make()
    await served.service.open()
    await until_so(served.is_so(lambda info: not info.busy))
    info = await served.info()
    assert (info.documents, info.chunks, info.embedded) == (20, 20, 20)


async def test_what_a_removed_collection_said_is_swept(served: Served) -> None:
    await served.add(text="The kettle sings.")
    await served.service.delete("notes")

    async def swept() -> bool:
        return await served.bench.store.chunks.words("kettle") == []

    await until_so(swept)


async def test_a_loop_with_a_defect_is_begun_again(
    documents_bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("samovar_agent.documents.service._RESTART_SECONDS", 0.01)
    served = Served(documents_bench)
    take, calls = documents_bench.store.documents.take, []

    async def defect(limit: int) -> list[object]:
        calls.append(limit)
        if len(calls) == 1:
            raise ZeroDivisionError("a defect of ours")
        return await take(limit)  # type: ignore[return-value]

    monkeypatch.setattr(documents_bench.store.documents, "take", defect)
    await served.service.open()
    try:
        (served.root / "a.md").write_text("Tea is hot.")
        await served.add(served.root)

        async def is_read() -> bool:
            [info] = await served.service.collections()
            return info.queued == 0 and info.problem is None

        await until_so(is_read)
    finally:
        await served.service.close()
    assert "goes on in a moment" in caplog.text


async def test_whoever_waits_is_told_of_a_defect(documents_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar_agent.documents.service._RESTART_SECONDS", 0.01)
    served = Served(documents_bench)

    async def defect(limit: int) -> list[object]:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(documents_bench.store.documents, "take", defect)
    await served.service.open()
    try:
        (served.root / "a.md").write_text("Tea is hot.")
        async with asyncio.timeout(20):
            reply = await served.add(served.root)
        assert reply.collection.queued == 1
        assert reply.collection.problem == "Documents cannot be read because of a defect in Samovar."
    finally:
        await served.service.close()


async def test_closed_twice_or_never_opened(documents_bench: Bench) -> None:
    served = Served(documents_bench)
    await served.service.close()
    await served.service.close()
