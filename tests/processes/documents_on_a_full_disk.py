"""What `test_documents_full_disk` runs where the agent's home is a disk of a few megabytes.

python -m tests.processes.documents_on_a_full_disk HOME NOTES
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from pathlib import Path

import psutil

from samovar_protocol.requests import DocsRetry, Ping
from tests.processes.agent import AgentProcess
from tests.processes.documents import add, database, documents, info, names, require_sound, settled

FILES = 300
KILOBYTES = 20


def main(home: Path, notes: Path) -> None:
    """Fill the disk by documents, and free it again."""
    chance = random.Random(1)
    for number in range(FILES):
        words = [f"w{chance.randrange(50_000)}" for _ in range(KILOBYTES * 1000 // 7)]
        (notes / f"{number}.md").write_text(f"This is note{number}x.\n\n" + " ".join(words))
    agent = AgentProcess(home)
    agent.up()
    filler = home / "filler"
    filler.write_bytes(bytes(94_000_000))
    try:
        asyncio.run(_fill(agent, notes))
        agent.kill()
        # To open its log SQLite maps a few pages, for which not a byte is left; documents need more than this.
        os.truncate(filler, filler.stat().st_size - 300_000)
        with database(agent) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        agent.up()
        asyncio.run(_still_full(agent))
        filler.unlink()
        asyncio.run(_go_on(agent))
        assert agent.cli("down").returncode == 0
        require_sound(agent)
    finally:
        with contextlib.suppress(AssertionError, psutil.NoSuchProcess):  # it is down already
            agent.process().kill()
    print("all read")


async def _fill(agent: AgentProcess, notes: Path) -> None:
    async with agent.client() as client:
        reply = await add(client, notes)  # comes to an end, since nothing goes on
        assert reply.collection.problem
        await _require_said(agent)


async def _require_said(agent: AgentProcess) -> None:
    async with agent.client() as client:
        await client.call(Ping())
        now = await settled(client, lambda info: info.problem is not None)
        assert 0 < now.queued <= FILES
        assert now.documents == FILES
        assert now.failed == 0, "no document is to blame"
        assert "samovar.db" in (now.problem or "")
        assert "Free some room" in now.hint


async def _still_full(agent: AgentProcess) -> None:
    await _require_said(agent)
    async with agent.client() as client:
        for document in (await documents(client)).values():
            if document.state == "ready":
                assert await names(client, f"note{document.name.removesuffix('.md')}x") == [document.name]
                break


async def _go_on(agent: AgentProcess) -> None:
    async with agent.client() as client:
        await client.call(DocsRetry())  # it would try again by itself, half a minute later
        await settled(client, lambda info: not info.busy, seconds=60)
        now = await info(client)
        assert (now.documents, now.queued, now.failed, now.problem) == (FILES, 0, 0, None)
        assert {document.state for document in (await documents(client)).values()} == {"ready"}
        for number in (0, FILES // 2, FILES - 1):
            assert await names(client, f"note{number}x") == [f"{number}.md"]


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
