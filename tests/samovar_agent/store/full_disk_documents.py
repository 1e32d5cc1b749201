"""Run by `test_documents_faults` on a disk of a few megabytes: fills it with documents, checks what is left then."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.store.documents_made import folder, indexed, sound, vector_of


async def add(store: Store, source: SourceRow, number: int) -> None:
    texts = [f"number{number} passage {passage} {'word ' * 200}" for passage in range(4)]
    row = await indexed(store, source, f"/papers/{number}", texts)
    chunks = await store.chunks.of_content(row.content or 0)
    await store.vectors.put_vectors("m", [(chunk.id, vector_of(number)) for chunk in chunks])


async def check(store: Store, stored: list[int]) -> None:
    await sound(store)
    assert await store.documents.counts() in (
        {"ready": len(stored)},
        {"ready": len(stored), "queued": 1},
        {"ready": len(stored), "indexing": 1},
        {"ready": len(stored) + 1},  # whose vectors alone were too much
    )
    for number in (stored[0], stored[-1]):
        assert len(await store.chunks.words(f"number{number}")) == 4


async def fill(disk: Path) -> None:
    path, ballast = disk / "samovar.db", disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    store = await Store.open(path)
    source = await folder(store)
    stored: list[int] = []
    try:
        for number in range(10_000):
            await add(store, source, number)
            stored.append(number)
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
    else:
        raise AssertionError("the disk never got full")
    assert len(stored) > 20
    await check(store, stored)
    await store.close()

    store = await Store.open(path)
    await check(store, stored)
    ballast.unlink()
    [unfinished] = [row.id for row in await store.documents.ls(after=len(stored), limit=1)] or [0]
    await store.documents.delete([unfinished])
    await add(store, source, 10_000)
    stored.append(10_000)
    await check(store, stored)
    await store.close()


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
    print("all checked")
