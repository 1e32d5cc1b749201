"""kill -9 while documents are taken in: nothing is lost, nothing is there twice, and it goes on where it was."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from samovar_protocol import Endpoint
from tests.processes.agent import AgentProcess, import_model, until
from tests.processes.documents import add, database, documents, info, names, require_sound, search, settled
from tests.tiny_models.build import Kind

pytestmark = [pytest.mark.processes]

FILES = 1000
KILLS = 20
REWRITTEN = 250


def content(number: int, version: int) -> str:
    return f"# Note {number}\n\nThis is note{number}x in version{version}x, about subject {number % 17}.\n"


class Killed:
    """An agent as a child of ours, so that starting and ending it takes no command."""

    def __init__(self, agent: AgentProcess) -> None:
        self.agent = agent
        self.child: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "samovar_agent", "--no-tray"],
            env=self.agent.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._is_up)

    def _is_up(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, self.agent.logs()
        endpoint = Endpoint.read(self.agent.places.endpoint_file)
        return endpoint is not None and endpoint.pid == self.child.pid

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()


def require_each_once(agent: AgentProcess, versions: dict[int, int]) -> bool:
    """Every file is a document, once; and what was read of it is a version that it had. Says whether all is done."""
    with database(agent) as db:
        rows = db.execute(
            "SELECT documents.name, documents.state, documents.content,"
            " (SELECT count(*) FROM chunks WHERE chunks.content = documents.content),"
            " (SELECT count(*) FROM chunks JOIN chunk_vectors ON chunk_vectors.chunk = chunks.id"
            "  WHERE chunks.content = documents.content) FROM documents"
        ).fetchall()
        [orphans] = db.execute("SELECT count(*) FROM chunks WHERE content NOT IN (SELECT id FROM contents)").fetchone()
    assert sorted(row[0] for row in rows) == sorted(f"{number}.md" for number in versions)
    assert {row[1] for row in rows} <= {"queued", "indexing", "ready"}
    assert orphans == 0
    for name, state, read, chunks, vectors in rows:
        assert chunks == (1 if read is not None else 0), name
        assert vectors <= chunks, name
        assert state != "ready" or read is not None, name
    return all(row[1] == "ready" and row[4] == 1 for row in rows)


async def test_kill_9_of_the_agent_at_twenty_moments(
    fresh: AgentProcess, tmp_path: Path, tiny_model: Callable[[Kind], Path]
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    root = tmp_path / "notes"
    root.mkdir()
    versions = dict.fromkeys(range(FILES), 1)
    for number in versions:
        (root / f"{number}.md").write_text(content(number, 1))
    killed = Killed(fresh)
    killed.up()
    try:
        async with fresh.client() as client:
            await import_model(client, tiny_model("bert-mean"))
            await add(client, root, wait=False)
        amid = 0
        for number in range(KILLS):
            await asyncio.sleep(chance.uniform(0, 0.6))
            killed.kill()
            done = require_each_once(fresh, versions)
            amid += not done
            if done:  # it was faster than we: there is more to do
                for changed in chance.sample(range(FILES), REWRITTEN):
                    versions[changed] += 1
                    (root / f"{changed}.md").write_text(content(changed, versions[changed]))
            if number % 5 == 4:
                require_sound(fresh)
            killed.up()
        print(f"{amid} of {KILLS} kills while there was work to do")
        assert amid >= KILLS // 2
        async with fresh.client() as client:
            # The look at the folder comes first; before it nothing may seem to be left.
            changed = max(versions, key=lambda number: versions[number])
            query = f"note{changed}x version{versions[changed]}x"
            async with asyncio.timeout(60):
                while (await names(client, query, words_only=True, limit=1)) != [f"{changed}.md"]:
                    await asyncio.sleep(0.05)
            await settled(client, seconds=90)
            now = await info(client)
            assert (now.documents, now.failed, now.chunks, now.embedded) == (FILES, 0, FILES, FILES)
            for start in range(0, FILES, 50):
                some = range(start, start + 50)
                queries = [f"note{number}x version{versions[number]}x" for number in some]
                found = await asyncio.gather(*(search(client, query, words_only=True, limit=1) for query in queries))
                for number, reply in zip(some, found, strict=True):
                    [passage] = reply.passages
                    assert passage.name == f"{number}.md"
                    assert f"version{versions[number]}x" in passage.text
            assert (await search(client, "note7x")).method == "words and vectors"
    finally:
        killed.kill()
    assert require_each_once(fresh, versions)
    require_sound(fresh)


async def test_kill_9_of_what_reads_costs_no_file(agent: AgentProcess, tmp_path: Path) -> None:
    rounds, files = 3, 30
    (tmp_path / "first.md").write_text("The first one, after which the reader waits for more.")
    async with agent.client() as client:
        await add(client, tmp_path / "first.md")
        for number in range(rounds):
            root = tmp_path / f"round{number}"
            root.mkdir()
            for file in range(files):
                (root / f"{number}-{file}.md").write_text(content(1000 * number + file, 1))
            [reader] = agent.readers()
            reader.suspend()
            await add(client, root, wait=False)
            async with asyncio.timeout(30):
                while not any(document.state == "indexing" for document in (await documents(client)).values()):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # it was taken a moment before the reader gets it
            reader.send_signal(signal.SIGKILL)
            now = await settled(client)
            assert (now.failed, now.problem) == (0, None)
            assert now.documents == 1 + (number + 1) * files
            for file in (0, files - 1):
                assert await names(client, f"note{1000 * number + file}x") == [f"{number}-{file}.md"]
    agent.kill()
    require_sound(agent)
