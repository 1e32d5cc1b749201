"""Run as a process by `test_transfer_faults`: exports and imports a collection over and over until it is killed.

Says when an import has begun, and once it has been acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from samovar_agent.documents.transfer import export, import_
from samovar_agent.store.store import Store
from tests.samovar_agent.documents.transfer_made import papers

MANY = 100


async def go(folder: Path) -> None:
    store = await Store.open(folder / "samovar.db")
    known = await store.collections.ls()
    collection = await store.collections.find("papers") if known else await papers(store, many=MANY)
    print("ready", flush=True)
    while True:
        await export(store, collection, folder / "out" / "f", replace=True, on_progress=lambda progress: None)
        came = await import_(store, folder / "out" / "f", None, on_progress=lambda progress: print("!", flush=True))
        print(came.name, flush=True)


if __name__ == "__main__":
    asyncio.run(go(Path(sys.argv[1])))
