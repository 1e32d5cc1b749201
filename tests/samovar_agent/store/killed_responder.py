"""Run as a process by `test_responses`: keeps responses that build on each other, and prints what was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from samovar_agent.store.responses import ResponseRow
from samovar_agent.store.store import Store


async def write(path: Path) -> None:
    store = await Store.open(path)
    chain: list[str] = []
    for number in count():
        previous = chain[-1] if chain else None
        items = [{"content": "x" * 2000}]
        row = ResponseRow(id=f"resp_{number}", created_at=1.0, previous=previous, input=items, response={"output": []})
        await store.responses.put(row, chain)
        chain.append(row.id)
        print(row.id, flush=True)


asyncio.run(write(Path(sys.argv[1])))
