"""A library of 10,000 models in 2,500 folders: listed for the first time, and again when nothing has changed.

Both as a client sees it, with the answer of some 5 MB on its way over the control socket, and inside of the agent,
where what a listing costs everybody else is decided.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import samovar
from samovar_agent.events import EventBus
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol.requests import ConfigSet, Ls
from tests.bench.home import running_agent, temporary_home
from tests.bench.report import Result, middle, spread
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

MODELS = 10_000
_COMMAND = "python -m tests.bench library"


def measure(*, quick: bool) -> list[Result]:
    """First and further listings."""
    models, rounds = (500, 2) if quick else (MODELS, 5)
    with tempfile.TemporaryDirectory(prefix="samovar-bench-models-") as folder:
        tree = Path(folder)
        _grow(tree, models)
        inside = [asyncio.run(_inside(tree)) for _ in range(rounds)]
        outside = [asyncio.run(_outside(tree, models)) for _ in range(rounds)]
    return [
        _row(f"{models:,} models listed for the first time", 2.0, [cold for cold, _ in inside], "s"),
        _row("listed again, nothing changed", 50.0, [1000 * warm for _, warm in inside], "ms"),
        _row("the same for a client: first time", 2.0, [cold for cold, _ in outside], "s"),
        _row("the same for a client: again", 50.0, [1000 * warm for _, warm in outside], "ms"),
    ]


def _row(what: str, goal: float, values: list[float], unit: str) -> Result:
    return Result(
        what=what, goal=goal, measured=middle(values), unit=unit, detail=spread(values, unit), command=_COMMAND
    )


def _grow(tree: Path, models: int) -> None:
    data = write_gguf(tree / "one.gguf", llama(), [("output.weight", (64,), F16)]).read_bytes()
    (tree / "one.gguf").unlink()
    for number in range(models):
        folder = tree / f"publisher{number // 100}" / f"model-{number // 4}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"model-{number}.gguf").write_bytes(data)
    for name, _, _ in os.walk(tree):
        os.utime(name, (1_700_000_000, 1_700_000_000))  # as in a library that was there yesterday


async def _inside(tree: Path) -> tuple[float, float]:
    """Seconds of the first listing, and the median of ten more while the folders are watched."""
    with temporary_home() as places:
        settings = SettingsFile(places.config_file)
        settings.set("models.folders", [str(tree)])
        store = await Store.open(places.database_file)
        library = Library(places=places, settings=settings, events=EventBus(), store=store)
        began = time.perf_counter()
        await library.open()
        cold = time.perf_counter() - began
        watching = asyncio.create_task(library.watch())
        await asyncio.sleep(2)  # it begins to watch
        await library.refresh(believing=True)
        warm = []
        for _ in range(10):
            began = time.perf_counter()
            await library.refresh(believing=True)
            library.ls()
            warm.append(time.perf_counter() - began)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await library.close()
        await store.close()
        return cold, middle(warm)


async def _outside(tree: Path, models: int) -> tuple[float, float]:
    with running_agent():
        async with samovar.connect() as client:
            began = time.perf_counter()
            await client.call(ConfigSet(key="models.folders", value=[str(tree)]))
            assert len((await client.call(Ls())).models) == models
            cold = time.perf_counter() - began
            await asyncio.sleep(2)
            warm = []
            for _ in range(10):
                began = time.perf_counter()
                await client.call(Ls())
                warm.append(time.perf_counter() - began)
            return cold, middle(warm)
