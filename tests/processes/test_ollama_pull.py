"""`/api/pull` of the running agent, over a hub that can be slow and goes away."""

import random
from pathlib import Path

import ollama
import pytest

from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub_server
from tests.processes.agent import PATIENCE, AgentProcess
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

__all__ = ["hub_server"]

pytestmark = pytest.mark.processes

NAME = "someone/tiny"
FILE = "tiny-F16.gguf"
SIZE = 8 << 20


async def test_it_goes_on_with_what_came_and_tells_every_stage(tmp_path: Path, hub_server: HubServer) -> None:
    path = write_gguf(tmp_path / FILE, llama(), [("output.weight", (SIZE // 2,), F16)])
    content = bytearray(path.read_bytes())
    content[-SIZE:] = random.Random(4).randbytes(SIZE)
    file = hub_server.add(NAME, {FILE: bytes(content)}).file(FILE)
    file.bytes_per_second = 1_000_000
    agent = AgentProcess(tmp_path / "home", HF_ENDPOINT=hub_server.endpoint).up()
    try:
        async with ollama.AsyncClient(host=agent.url, timeout=PATIENCE) as client:
            began = await client.pull(f"hf.co/{NAME}:F16", stream=True)
            async for part in began:
                if (part.completed or 0) > SIZE // 4:
                    break
            await began.aclose()
            file.bytes_per_second = None
            parts = [part async for part in await client.pull(f"{NAME}:F16", stream=True)]
            sent = sum(seen.bytes_sent for seen in hub_server.seen if seen.host == "files")
            assert sent < len(content) * 1.5, "what came was not fetched again"
            assert parts[0].status == "pulling manifest" and parts[-1].status == "success"
            pulling = [part for part in parts if part.digest]
            assert pulling and all(part.total == len(content) for part in pulling)
            assert (pulling[0].completed or 0) >= SIZE // 8, "and counts"
            assert all(part.status == f"pulling {(part.digest or '')[7:19]}" for part in pulling)
            assert [entry.model for entry in (await client.list()).models] == [f"{NAME}:latest"]
            again = [part.status async for part in await client.pull(NAME, stream=True)]
            assert again == ["pulling manifest", "success"]
            with pytest.raises(ollama.ResponseError) as caught:
                await client.pull("someone/nothing", stream=False)
            assert caught.value.status_code == 404 and caught.value.error
    finally:
        agent.stop()
