"""Run as a process by `test_store`: writes for ever and prints each row's key once the store has acknowledged it."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store


async def write(path: Path) -> None:
    store = await Store.open(path)
    for number in count():
        key = f"p/{number:06}"
        await store.models.put(
            ModelRow(key=key, path="/x" * 500, publisher="p", name="n", origin="link", size_bytes=1, added_at=1.0)
        )
        print(key, flush=True)


asyncio.run(write(Path(sys.argv[1])))
