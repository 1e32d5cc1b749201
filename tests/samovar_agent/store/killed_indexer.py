"""Run as a process by `test_documents_faults`: reads the same documents in version after version until it is killed.

Says each document and version once the store has acknowledged it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from samovar_agent.store.store import Store
from tests.samovar_agent.store.documents_made import chunks_of, digest_of, folder, queued, vector_of

DOCUMENTS = 50
PASSAGES = 6


def passages(name: str, version: int) -> list[str]:
    return [f"passage {number} of document {name}, version {version}" for number in range(PASSAGES)]


async def index(path: Path) -> None:
    store = await Store.open(path)
    sources = await store.sources.ls()
    source = sources[0] if sources else await folder(store)
    known = len(await store.documents.ls())
    for number in range(known, DOCUMENTS):
        await queued(store, source, f"/papers/{number}")
    while True:
        for taken in await store.documents.take(3):
            texts = passages(taken.name, taken.revision)
            read = msgspec.structs.replace(taken, sha256=digest_of(texts))
            stored = await store.documents.put_document(read, chunks_of(texts))
            assert stored is not None
            await store.vectors.put_vectors("m", [(chunk, vector_of(taken.revision)) for chunk in stored.added])
            print(taken.name, taken.revision, flush=True)
        if not await store.documents.ls(state="queued", limit=1):
            for document in await store.documents.ls():
                await store.documents.queue(document.id, size=1, mtime=1)


if __name__ == "__main__":
    asyncio.run(index(Path(sys.argv[1])))
