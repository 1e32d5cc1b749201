from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from samovar_agent.documents.vector_indexes import VectorIndexes
from samovar_agent.documents.vector_search import VectorSearch
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.store import Store
from tests.samovar_agent.documents.vector_fakes import like_texts

MODEL, DIMENSIONS = "acme/embedder", 16
VECTORS = like_texts(6, DIMENSIONS)


class Bench:
    """Two collections with three chunks each, and their vectors."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.chunks: list[list[int]] = []
        self.collections: list[int] = []
        self.documents: list[int] = []

    async def fill(self) -> None:
        for name in ("first", "second"):
            collection = await self.store.collections.create(name, model=MODEL)
            source = await self.store.sources.add(collection.id, "folder", f"/{name}")
            new = NewDocument(
                collection=collection.id, source=source.id, name=name, size=1, mtime=1.0, path=f"/{name}/a"
            )
            self.documents += await self.store.documents.add([new])
            [row] = await self.store.documents.take(1)
            row = msgspec.structs.replace(row, sha256=name)
            chunks = [
                NewChunk(text=f"{name} {number}", start=number * 20, end=number * 20 + 8, tokens=2)
                for number in range(3)
            ]
            stored = await self.store.documents.put_document(row, chunks)
            assert stored is not None
            self.collections.append(collection.id)
            self.chunks.append(stored.added)

    def search(self) -> VectorSearch:
        return VectorSearch(self.store, VectorIndexes(self.folder))

    @property
    def all(self) -> list[int]:
        return [chunk for chunks in self.chunks for chunk in chunks]

    @property
    def rows(self) -> list[tuple[int, bytes]]:
        return [(chunk, VECTORS[place].tobytes()) for place, chunk in enumerate(self.all)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await Store.open(tmp_path / "samovar.db")
    bench = Bench(store, tmp_path / "vectors")
    await bench.fill()
    yield bench
    await store.close()


async def test_what_was_added_is_found_and_what_is_gone_is_not(bench: Bench) -> None:
    search = bench.search()
    assert await search.nearest(MODEL, VECTORS[0].tobytes(), 3) == []
    assert await search.add(MODEL, bench.rows) == bench.all
    [(chunk, likeness), *_] = await search.nearest(MODEL, VECTORS[4].tobytes(), 3)
    assert chunk == bench.chunks[1][1]
    assert likeness == pytest.approx(1, abs=1e-5)
    await search.remove([chunk])
    assert chunk not in dict(await search.nearest(MODEL, VECTORS[4].tobytes(), 6))


async def test_only_in_these_collections(bench: Bench) -> None:
    search = bench.search()
    await search.add(MODEL, bench.rows)
    found = await search.nearest(MODEL, VECTORS[4].tobytes(), 6, collections=[bench.collections[0]])
    assert sorted(chunk for chunk, _ in found) == bench.chunks[0]


@pytest.mark.parametrize("saved", ["saved", "not saved", "damaged"])
async def test_the_next_start_has_what_the_store_has(bench: Bench, saved: str) -> None:
    first = bench.search()
    await first.add(MODEL, bench.rows[:4])
    if saved != "not saved":
        await first.save()
    await bench.store.vectors.put_vectors(MODEL, bench.rows[4:])  # killed before the index had them
    gone = await bench.store.documents.delete(bench.documents[:1])
    assert gone == bench.chunks[0]
    if saved == "damaged":
        for file in bench.folder.iterdir():
            file.write_bytes(np.random.default_rng(1).bytes(file.stat().st_size))
    found = await bench.search().nearest(MODEL, VECTORS[4].tobytes(), 6)
    assert sorted(chunk for chunk, _ in found) == bench.chunks[1]


async def test_a_vector_of_a_chunk_that_is_gone_is_left_out(bench: Bench) -> None:
    search = bench.search()
    await bench.store.documents.delete(bench.documents[:1])
    assert await search.add(MODEL, bench.rows) == bench.chunks[1]
    assert len(await search.nearest(MODEL, VECTORS[0].tobytes(), 6)) == 3


async def test_a_query_of_another_model_finds_nothing(bench: Bench) -> None:
    search = bench.search()
    await search.add(MODEL, bench.rows)
    assert await search.nearest(MODEL, bytes(8), 3) == []
    assert await search.nearest("acme/other", VECTORS[0].tobytes(), 3) == []


async def test_vectors_that_came_another_way_are_found_by_the_next_search(bench: Bench) -> None:
    search = bench.search()
    first, *others = bench.rows
    await search.add(MODEL, [first])
    await bench.store.vectors.put_vectors(MODEL, others)
    assert [chunk for chunk, _ in await search.nearest(MODEL, others[0][1], 6)] == [first[0]]
    search.came([chunk for chunk, _ in others] + [999])
    assert len(await search.nearest(MODEL, others[0][1], 6)) == 6
