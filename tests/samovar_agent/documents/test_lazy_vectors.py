import asyncio
import subprocess
import sys
from pathlib import Path

from samovar_agent.documents.lazy_vectors import LazyVectorSearch
from tests.samovar_agent.documents.bench import Bench, vector_of

MODEL = "acme/small"


async def chunks(bench: Bench) -> list[int]:
    row = await bench.store.collections.create("notes", model=MODEL)
    await bench.document(row.id, "a.md", ["The kettle sings.", "The rent is due."])
    return [chunk.chunk for chunk in await bench.store.vectors.without(MODEL, row.id, 0, 10)]


def test_numpy_is_not_loaded_for_its_sake() -> None:
    program = "import sys; import samovar_agent.documents.service; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


async def test_nothing_is_loaded_to_remove_or_save(documents_bench: Bench) -> None:
    vectors = LazyVectorSearch(documents_bench.store, documents_bench.path / "vectors")
    await vectors.remove([1, 2])
    await vectors.save()
    await vectors.keep_only([])
    assert not (documents_bench.path / "vectors").exists()


async def test_those_who_come_at_once_share_one(documents_bench: Bench, tmp_path: Path) -> None:
    bench = documents_bench
    kettle, rent = await chunks(bench)
    rows = [(kettle, vector_of("kettle")), (rent, vector_of("rent"))]
    await asyncio.gather(*(bench.vectors.add(MODEL, [row]) for row in rows))
    found = await asyncio.gather(*(bench.vectors.nearest(MODEL, vector_of("samovar"), 2) for _ in range(5)))
    assert all([chunk for chunk, _ in one] == [kettle, rent] for one in found)
    await bench.vectors.remove([kettle])
    assert [chunk for chunk, _ in await bench.vectors.nearest(MODEL, vector_of("samovar"), 2)] == [rent]
    await bench.vectors.save()
    assert len(list((tmp_path / "vectors").iterdir())) == 1
