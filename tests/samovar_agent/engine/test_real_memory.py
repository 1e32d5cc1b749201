"""Estimates against what real models take: of every model in the folder of test models, with a small context and a
large one. Printed with `-s`."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.models.gguf import read_header
from samovar_protocol.values import Message, Sampling
from tests.conftest import MODEL
from tests.samovar_agent.engine.conftest import Bench, MakeBench

pytestmark = pytest.mark.model

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samovar" / "test-models"
MINI_LM = Path(__file__).parents[3].parent / "shared" / "models" / "all-MiniLM-L6-v2-Q8_0.gguf"
OTHERS = sorted(path.name for path in FOLDER.glob("*.gguf") if path.name != MODEL)
LONG = " ".join(f"Sentence number {number} is about rivers and the sea." for number in range(45))


@pytest.mark.parametrize("context_length", [1024, 8192])
@pytest.mark.parametrize("name", [MODEL, *OTHERS])
async def test_an_estimate_is_near_what_is_measured(
    make_bench: MakeBench, small_model: Path, name: str, context_length: int
) -> None:
    await compare(make_bench(None, patience=5.0), small_model if name == MODEL else FOLDER / name, context_length)


@pytest.mark.skipif(not MINI_LM.exists(), reason=f"{MINI_LM} is missing")
@pytest.mark.parametrize(("context_length", "threads"), [(256, 1), (512, 2), (512, 4)])
async def test_so_is_that_of_an_encoder_with_all_its_lanes(
    make_bench: MakeBench, context_length: int, threads: int
) -> None:
    bench = make_bench(None, patience=5.0)
    bench.settings.set("engine.threads", threads)
    await compare(bench, MINI_LM, context_length)


async def compare(bench: Bench, path: Path, context_length: int) -> None:
    header = read_header(path)
    bench.library.add("maker/model", path, header)
    length = min(context_length, header.context_length or context_length)
    loaded = await bench.instances.load("model", context=length)
    await asyncio.gather(*(use(bench.instances, header.capabilities, number, length) for number in range(2)))
    [instance] = bench.instances._instances.values()
    # Pages of the file that the system took back meanwhile are needed again with the next step.
    measured = instance.info.memory_bytes - instance.weights_in_memory + loaded.estimate.weights_bytes
    estimated = loaded.estimate.need_bytes
    print(f"\n{path.name} {length}: estimated {estimated / 1e6:.0f} MB, measured {measured / 1e6:.0f} MB")
    assert estimated == pytest.approx(measured, rel=0.15)


async def use(instances: Any, capabilities: list[str], number: int, length: int) -> None:
    """A whole step of it, and more than one at a time."""
    if "chat" in capabilities:
        messages = [Message(role="user", content=f"{number}. {LONG}")]
        items = instances.generate("model", messages, Sampling(max_tokens=4))
    else:
        texts = [[1000 + number] * tokens for tokens in (10, 100, *[length - 2] * 16)]
        items = instances.embed("model", texts)
    async for _ in items:
        pass
