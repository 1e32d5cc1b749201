"""Control round trips while the catalog is refreshed, and while it is not, in turns.

The hub is a local server in a process of its own that has every repository of the catalog, so that a refresh is all
work and no waiting, which is the worst that it can be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import samovar
from samovar_protocol.requests import CatalogRefresh, Ping
from tests.bench.home import temporary_home
from tests.bench.report import Result, percentile

_HUB = """
import sys
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.sources import HubSource
from tests.hub_server import HubServer
with HubServer() as hub:
    for model in Catalog.built_in().models:
        for file in model.files:
            for source in file.sources:
                if isinstance(source, HubSource):
                    names = [part.name for part in file.parts]
                    hub.add(source.repository, {name: b"GGUF" * 16 for name in [*names, "README.md", "config.json"]})
    print(hub.endpoint, flush=True)
    sys.stdin.read()
"""


def measure(*, quick: bool) -> list[Result]:
    """99 of 100 round trips, with and without."""
    rounds, count = (2, 200) if quick else (8, 1500)
    with _hub() as endpoint, temporary_home():
        os.environ["HF_ENDPOINT"] = endpoint
        samovar.start_agent(tray=False)
        quiet, busy, refreshes = asyncio.run(_alternate(rounds, count))
    command = "python -m tests.bench refresh"
    detail = (
        f"{len(busy):,} calls in {refreshes} refreshes; without p99 is {percentile(quiet, 99):.2g} ms, "
        f"p50 {percentile(quiet, 50):.2g} and {percentile(busy, 50):.2g} ms"
    )
    return [
        Result(
            what="ping p99 while the catalog is refreshed",
            goal=1.0,
            measured=percentile(busy, 99),
            unit="ms",
            detail=detail,
            command=command,
        )
    ]


async def _alternate(rounds: int, count: int) -> tuple[list[float], list[float], int]:
    quiet: list[float] = []
    busy: list[float] = []
    refreshes = 0
    async with samovar.connect() as client, samovar.connect() as other:
        await other.call(CatalogRefresh())  # imports and first answers
        for _ in range(rounds):
            quiet += [await _ping(client) for _ in range(count)]
            began = len(busy)
            while len(busy) - began < count:
                refreshing = asyncio.ensure_future(other.call(CatalogRefresh()))
                while not refreshing.done():
                    busy.append(await _ping(client))
                await refreshing
                refreshes += 1
    return quiet, busy, refreshes


async def _ping(client: samovar.Client) -> float:
    began = time.perf_counter()
    await client.call(Ping())
    return 1000 * (time.perf_counter() - began)


@contextlib.contextmanager
def _hub() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", _HUB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)
