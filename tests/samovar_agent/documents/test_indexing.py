from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from samovar_agent.documents.cutting import EstimatingCutter
from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.indexing import Indexing
from samovar_agent.store.contents import chunk_digest
from samovar_agent.store.documents import DocumentRow, NewDocument, Stored
from samovar_agent.store.store import Store
from samovar_protocol import Failure, FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database


class Words:
    recipe = "words 20"
    target = 20

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class Bench:
    """Indexing over a real store, with a reader that takes files as they are."""

    def __init__(self, store: Store, folder: Path, collection: int, source: int) -> None:
        self.store, self.folder, self.collection, self.source = store, folder, collection, source
        self.asked: list[str] = []
        self.told: list[tuple[str, str, Stored | None]] = []
        self.failures: list[SamovarError] = []
        self.indexing = Indexing(store, self, self.cutter, told=self._tell, retry_seconds=0.02)

    async def cutter(self, collection: int) -> Words:
        if self.failures:
            raise self.failures.pop()
        return Words()

    async def extract(self, path: Path) -> Extracted:
        self.asked.append(path.name)
        text = path.read_text()
        problem = Problem(reason="damaged", message="It is cut off.") if "cut" in path.name else None
        if "gone" in path.name:
            return Extracted(
                title="", media_type="", text="", problem=problem or Problem(reason="empty", message="No.")
            )
        return Extracted(title=path.stem, media_type="text/plain", text=text, problem=problem)

    async def add(self, name: str, text: str) -> int:
        path = self.folder / name
        path.write_text(text)
        status = path.stat()
        new = NewDocument(
            collection=self.collection,
            source=self.source,
            name=name,
            size=status.st_size,
            mtime=status.st_mtime,
            path=str(path),
        )
        [id_] = await self.store.documents.add([new])
        self.indexing.wake()
        return id_

    async def done(self) -> None:
        async with asyncio.timeout(20):
            while set(await self.store.documents.counts()) - {"ready", "failed"}:
                await asyncio.sleep(0.01)

    def _tell(self, document: DocumentRow, stored: Stored | None) -> None:
        self.told.append((document.name, document.state, stored))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def store_and_source(tmp_path: Path) -> AsyncIterator[tuple[Store, int, int]]:
    store = await Store.open(tmp_path / "samovar.db")
    collection = await store.collections.create("notes")
    source = await store.sources.add(collection.id, "folder", str(tmp_path))
    yield store, collection.id, source.id
    await store.close()


@pytest.fixture
def bench(store_and_source: tuple[Store, int, int], tmp_path: Path) -> Bench:
    store, collection, source = store_and_source
    return Bench(store, tmp_path, collection, source)


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.indexing.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_file_is_read_cut_and_found(running: Bench) -> None:
    id_ = await running.add("kettle.txt", "The kettle sings. " * 30)
    await running.done()
    [row] = await running.store.documents.get([id_])
    assert (row.state, row.title, row.media_type, row.problem) == ("ready", "kettle", "text/plain", None)
    assert row.content is not None
    chunks = await running.store.chunks.of_content(row.content)
    assert len(chunks) > 3
    assert all(chunk.tokens <= Words.target for chunk in chunks)
    assert await running.store.chunks.words("kettle", [running.collection])
    [(name, _, stored)] = running.told
    assert name == "kettle.txt"
    assert stored is not None
    assert stored.added == [chunk.id for chunk in chunks]


async def test_the_same_bytes_are_read_once(running: Bench) -> None:
    await running.add("one.txt", "The same words.")
    await running.done()
    await running.add("two.txt", "The same words.")
    await running.done()
    assert running.asked == ["one.txt"]
    assert await running.store.documents.counts() == {"ready": 2}


async def test_the_same_bytes_in_one_queue_are_read_once(bench: Bench) -> None:
    for name in ("one.txt", "two.txt", "three.txt"):
        await bench.add(name, "The same words.")
    await bench.add("gone 1.txt", "")
    await bench.add("gone 2.txt", "")
    task = asyncio.create_task(bench.indexing.run())
    await bench.done()
    assert sorted(bench.asked) == ["gone 1.txt", "gone 2.txt", "one.txt"], "what fails is no other's text"
    assert await bench.store.documents.counts() == {"ready": 3, "failed": 2}
    assert len(bench.told) == 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_where_tokens_are_estimated_the_reader_cuts(
    store_and_source: tuple[Store, int, int], tmp_path: Path
) -> None:
    store, collection, source = store_and_source
    texts = {f"{number}.md": f"# Kettle {number}\n\n" + f"Kettle {number} sings. " * 100 for number in range(300)}
    paths = [tmp_path / name for name in texts]
    for path in paths:
        path.write_text(texts[path.name])
    told: list[Stored | None] = []
    extractor = Extractor(tmp_path / "run")
    cutter = EstimatingCutter()

    async def cutter_of(_: int) -> EstimatingCutter:
        return cutter

    indexing = Indexing(store, extractor, cutter_of, told=lambda _, stored: told.append(stored))
    await store.documents.add(
        [
            NewDocument(collection=collection, source=source, name=path.name, size=1, mtime=1.0, path=str(path))
            for path in paths
        ]
    )
    task = asyncio.create_task(indexing.run())
    await until(lambda: len(told) == len(paths))
    rows = await store.documents.ls()
    assert {row.state for row in rows} == {"ready"}
    assert [row.title for row in rows] == [f"Kettle {number}" for number in range(300)]
    assert await store.chunks.text(rows[7].content or 0) == texts["7.md"].rstrip()
    [chunk, *_] = await store.chunks.of_content(rows[7].content or 0)
    assert (chunk.heading, chunk.tokens <= cutter.target) == ("Kettle 7", True)
    assert chunk.sha256 == chunk_digest(chunk.title, chunk.heading, chunk.text)
    await store.chunks.check_words()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await extractor.close()


async def test_what_cannot_be_read_is_kept_apart_and_the_rest_goes_on(running: Bench) -> None:
    gone = await running.add("gone.txt", "x")
    cut = await running.add("cut.txt", "What came of it.")
    missing = await running.add("missing.txt", "y")
    (running.folder / "missing.txt").unlink()
    await running.add("fine.txt", "Fine words.")
    await running.done()
    rows = {row.id: row for row in await running.store.documents.ls()}
    assert rows[gone].state == "failed"
    assert msgspec.json.decode(rows[gone].problem or "", type=Problem).reason == "empty"
    assert rows[cut].state == "ready"
    assert msgspec.json.decode(rows[cut].problem or "", type=Problem).reason == "damaged"
    assert rows[missing].state in ("failed", "ready")  # it was read before it went, or not
    assert await running.store.chunks.words("fine", [running.collection])


async def test_a_failure_that_is_no_documents_stops_nothing_for_good(bench: Bench) -> None:
    bench.failures = [SamovarError(FailureCode.DISK_FULL, "The disk is full.")] * 2
    id_ = await bench.add("kettle.txt", "The kettle sings.")
    task = asyncio.create_task(bench.indexing.run())
    await until(lambda: bench.indexing.problem is not None)
    assert (bench.indexing.problem or Failure(code="", message="")).code == FailureCode.DISK_FULL
    await bench.done()
    [row] = await bench.store.documents.get([id_])
    assert row.state == "ready"
    await until(lambda: bench.indexing.problem is None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_cancelled_in_the_middle_it_is_begun_again(bench: Bench) -> None:
    reading = asyncio.Event()
    extract = bench.extract

    async def slow(path: Path) -> Extracted:
        reading.set()
        await asyncio.Event().wait()
        raise AssertionError

    bench.extract = slow  # type: ignore[method-assign]
    await bench.add("kettle.txt", "The kettle sings.")
    task = asyncio.create_task(bench.indexing.run())
    await asyncio.wait_for(reading.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await bench.store.documents.counts() == {"indexing": 1}
    bench.extract = extract  # type: ignore[method-assign]
    task = asyncio.create_task(bench.indexing.run())
    await bench.done()
    assert await bench.store.documents.counts() == {"ready": 1}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_texts_of_an_older_program_are_put_in_the_index_anew_in_time(bench: Bench) -> None:
    await bench.add("a.txt", "東京都庁")
    running = asyncio.create_task(bench.indexing.run())
    try:
        await bench.done()

        def as_before(db: Database) -> None:
            db.execute("DELETE FROM chunk_ngrams")
            db.execute("INSERT INTO chunk_words (chunk_words) VALUES ('rebuild')")
            db.execute("INSERT INTO chunk_ngrams_due (after, last) SELECT 0, max(id) FROM chunks")

        await bench.store.run(as_before)
        assert await bench.store.chunks.words("都庁") == []
        bench.indexing.wake()
        async with asyncio.timeout(20):
            while not await bench.store.chunks.words("都庁"):
                await asyncio.sleep(0.01)
        await bench.store.chunks.check_words()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
