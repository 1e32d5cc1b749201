"""Control round trips while the catalog is refreshed, with those during its questions to the hub, and without.

A refresh asks about one model after the other, with pauses; so both kinds alternate every half second, and what else
this machine does meets both.

The hub is a local server in a process of its own that has every repository of the catalog, and takes as long to answer
as the nearest real one would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator

import samovar
from samovar_protocol.requests import Catalog, NetworkJournal, Ping
from tests.bench.home import temporary_home
from tests.bench.report import Result, percentile

_NEAR_SECONDS = 0.05
"""What a question costs before it is sent and after the answer has come is near it."""

_HUB = """
import sys
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.sources import HubSource
from tests.hub_server import HubServer
with HubServer() as hub:
    hub.answers_after = 0.03
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
    quiet: list[float] = []
    busy: list[float] = []
    refreshes = 1 if quick else 4
    with _hub() as endpoint:
        for _ in range(refreshes):
            with temporary_home():
                os.environ["HF_ENDPOINT"] = endpoint
                samovar.start_agent(tray=False)
                asyncio.run(_through_a_refresh(quiet, busy))
    without, during = percentile(quiet, 99), percentile(busy, 99)
    detail = (
        f"{during:.2g} against {without:.2g} ms, p50 {percentile(busy, 50):.2g} against {percentile(quiet, 50):.2g}; "
        f"{len(busy):,} and {len(quiet):,} calls, {refreshes} refreshes"
    )
    return [
        Result(
            what="ping p99 while the catalog is refreshed, against without",
            goal=1.1,
            measured=during / without,
            unit="×",
            detail=detail,
            command="python -m tests.bench refresh",
            bound="≤",
        )
    ]


async def _through_a_refresh(quiet: list[float], busy: list[float]) -> None:
    """Ask without a pause from the agent's start until its scheduler has refreshed the catalog."""
    calls: list[tuple[float, float]] = []
    async with samovar.connect() as client:
        for _ in range(200):
            await _ping(client)
        while (await client.call(Catalog())).refreshed_at is None:
            calls += [(time.time(), await _ping(client)) for _ in range(2000)]
        entries = (await client.call(NetworkJournal(limit=1000, purpose="catalog"))).entries
    questions = sorted((entry.started_at - _NEAR_SECONDS, (entry.ended_at or 0) + _NEAR_SECONDS) for entry in entries)
    begins = [began for began, _ in questions]
    ended = max(end for _, end in questions)
    for when, milliseconds in calls:
        if begins[0] <= when <= ended:
            busy.append(milliseconds)
            if when > questions[bisect_right(begins, when) - 1][1]:
                quiet.append(milliseconds)


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
