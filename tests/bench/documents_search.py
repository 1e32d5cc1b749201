"""Searches of a large document store, by words and vectors together, with filters, alone and while files are read.

Inside of the agent: what is measured is everything but the query's own vector. Texts and vectors are made up: 100 words
a chunk, of 50,000 that are as unevenly common as those of a language, 10 chunks a document; vectors of 384 dimensions
around a few hundred topics. The store is made by another process, so that the memory is that of searching.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from samovar_agent.documents.cutting import EstimatingCutter
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.indexing import Indexing
from samovar_agent.documents.retrieval_fusion import DEPTH, fused
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.filters import EVERY_DOCUMENT, DocumentFilter
from samovar_agent.store.store import Store
from tests.bench.documents_ingest import prose, sentences
from tests.bench.report import Result, middle, percentile, spread

CHUNKS = 100_000
_A_DOCUMENT = 10
_VOCABULARY = 50_000
_DIMENSIONS = 384
_MODEL = "synthetic"
_MEGABYTE = 1_000_000
_FILES = 15_000
"""Of 20 kB, as many as are read in about half a minute."""
Filter = tuple[list[int] | None, DocumentFilter]


def measure(*, quick: bool, chunks: int = CHUNKS) -> list[Result]:
    """Quiet searches, then those beside indexing. - chunks: in the store."""
    chunks = min(chunks, 20_000) if quick else chunks
    with tempfile.TemporaryDirectory(prefix="samovar-bench-documents-") as folder:
        process = multiprocessing.get_context("spawn").Process(target=make, args=(folder, chunks))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the store could not be made: {process.exitcode}")
        return asyncio.run(_measure(Path(folder), chunks, 20 if quick else 200))


def make(folder: str, chunks: int) -> None:
    """A store with so many chunks, and their vectors."""
    asyncio.run(_make(Path(folder), chunks))
    _write_files(Path(folder, "beside"))


async def _make(folder: Path, chunks: int) -> None:
    import numpy as np

    from tests.samovar_agent.documents.vector_fakes import like_texts

    words = np.array([_word(number) for number in range(_VOCABULARY)])
    chances = (1 / np.arange(10, _VOCABULARY + 10)).cumsum()
    chance = np.random.default_rng(5)
    store = await Store.open(folder / "samovar.db")
    collection = await store.collections.create("bench", model=_MODEL)
    source = await store.sources.add(collection.id, "folder", "/bench")
    for first in range(0, chunks // _A_DOCUMENT, 500):
        numbers = range(first, min(first + 500, chunks // _A_DOCUMENT))
        await store.documents.add(
            [
                NewDocument(
                    collection=collection.id,
                    source=source.id,
                    name=f"{number}",
                    path=f"/bench/{number % 100:02}/{number}",
                    size=1,
                    mtime=float(number),
                )
                for number in numbers
            ]
        )
        rows = await store.documents.take(len(numbers))
        drawn = np.searchsorted(chances, chance.random((len(rows), _A_DOCUMENT, 100)) * chances[-1])
        read = [
            (
                msgspec.structs.replace(
                    row,
                    sha256=hashlib.sha256(row.name.encode()).hexdigest(),
                    title=row.name,
                    media_type="text/markdown" if int(row.name) % 2 else "text/plain",
                ),
                [
                    NewChunk(text=" ".join(words[line]), start=part * 800, end=part * 800 + 799, tokens=150)
                    for part, line in enumerate(lines)
                ],
            )
            for row, lines in zip(rows, drawn, strict=True)
        ]
        ids = [id_ for stored in await store.documents.put_documents(read) if stored for id_ in stored.added]
        vectors = like_texts(len(ids), _DIMENSIONS, seed=first)
        await store.vectors.put_vectors(
            _MODEL, [(id_, vector.tobytes()) for id_, vector in zip(ids, vectors, strict=True)]
        )
    while await store.chunks.merge_words():
        pass
    await store.close()


def _write_files(folder: Path) -> None:
    """What is read beside the searches, written beforehand: making it would take time from both."""
    folder.mkdir()
    known, chance = sentences(), random.Random(2)
    for number in range(_FILES):
        Path(folder, f"{number}.txt").write_text(prose(known, chance, 20_000), "utf-8")


async def _measure(folder: Path, chunks: int, searches: int) -> list[Result]:
    from samovar_agent.documents.vector_indexes import VectorIndexes
    from samovar_agent.documents.vector_search import VectorSearch

    store = await Store.open(folder / "samovar.db")
    vectors = VectorSearch(store, VectorIndexes(folder / "vectors"))
    [collection] = [row.id for row in await store.collections.ls()]
    queries = _queries(searches)
    filters: dict[str, Filter] = {
        "no filter": (None, EVERY_DOCUMENT),
        "one collection, which is all": ([collection], EVERY_DOCUMENT),
        "half of the documents": ([collection], DocumentFilter(media_types=("text/markdown",))),
        "1 % of the documents": ([collection], DocumentFilter(path_prefix="/bench/07")),
    }

    async def run() -> dict[str, list[float]]:
        took: dict[str, list[float]] = {name: [] for name in filters}
        for query, vector in queries:
            for name, (collections, wanted) in filters.items():
                began = time.perf_counter()
                words, nearest = await asyncio.gather(
                    store.chunks.words(query, collections, wanted, DEPTH),
                    vectors.nearest(_MODEL, vector, DEPTH, collections=collections, filters=wanted),
                )
                assert fused(words, nearest)
                took[name].append(1000 * (time.perf_counter() - began))
        return took

    await run()  # once without counting: it reads the file
    alone = await run()
    memory = psutil.Process().memory_info().rss / _MEGABYTE
    beside = await _beside_indexing(store, folder, run)
    await store.close()
    command = f"python -m tests.bench documents-search --chunks {chunks}"
    million = chunks >= 1_000_000
    results = [
        Result(
            what=f"{chunks:,} chunks, {name}, {when}: p50",
            goal=40.0 if million else 15.0,
            bound="≤",
            measured=middle(took[name]),
            unit="ms",
            detail=f"p99 {percentile(took[name], 99):.1f} ms; {spread(took[name], 'ms')}",
            command=command,
        )
        for when, took in (("alone", alone), ("while files are read", beside))
        for name in filters
    ]
    every = [milliseconds for took in beside.values() for milliseconds in took]
    results.append(
        Result(
            what=f"{chunks:,} chunks, all filters, while files are read: p99",
            goal=50.0,
            bound="≤",
            measured=percentile(every, 99),
            unit="ms",
            detail=f"{len(every):,} searches",
            command=command,
        )
    )
    results.append(
        Result(
            what=f"{chunks:,} chunks, memory",
            goal=400.0,
            measured=memory,
            unit="MB",
            detail="resident, after the searches alone",
            command=command,
        )
    )
    return results


async def _beside_indexing(store: Store, folder: Path, run: Callable[[], object]) -> dict[str, list[float]]:
    """What `run` returns while files are read into another collection; there must be enough of them."""
    collection = await store.collections.create("beside")
    source = await store.sources.add(collection.id, "folder", str(folder))
    cutter = EstimatingCutter()

    async def cutter_of(_: int) -> EstimatingCutter:
        return cutter

    extractor = Extractor(folder / "run")
    indexing = Indexing(store, extractor, cutter_of, told=lambda *_: None)

    await store.documents.add(
        [
            NewDocument(
                collection=collection.id, source=source.id, name=path.name, path=str(path), size=20_000, mtime=1.0
            )
            for path in sorted((folder / "beside").iterdir())
        ]
    )
    task = asyncio.create_task(indexing.run())
    await asyncio.sleep(1)
    try:
        took: dict[str, list[float]] = await run()  # type: ignore[misc]
        left = (await store.documents.counts(collection.id)).get("queued", 0)
        assert left, "the files ran out, so that some of the searches had nothing beside them"
        return took
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(task, return_exceptions=True)
        await extractor.close()


def _word(number: int) -> str:
    chance = random.Random(number)
    return "".join(chance.choice("bcdfghklmnprstvz") + chance.choice("aeiou") for _ in range(chance.randint(2, 4)))


def _queries(count: int) -> list[tuple[str, bytes]]:
    """Of two to six words, rare and common ones alike, each with a vector."""
    from tests.samovar_agent.documents.vector_fakes import like_texts

    chance = random.Random(1)
    texts = [
        " ".join(_word(int(min(_VOCABULARY - 1, 10 ** chance.uniform(0.7, 4.6)))) for _ in range(chance.randint(2, 6)))
        for _ in range(count)
    ]
    return list(zip(texts, (vector.tobytes() for vector in like_texts(count, _DIMENSIONS, seed=99)), strict=True))
