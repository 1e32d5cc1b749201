"""How long a control round trip takes, through the public client, one after another."""

from __future__ import annotations

import asyncio
import time

import samovar
from samovar_protocol.requests import Ping
from tests.bench.home import running_agent
from tests.bench.report import Result, percentile

WARM_UP = 200


def measure(*, quick: bool) -> list[Result]:
    """Half and 99 of 100 round trips."""
    with running_agent():
        milliseconds = asyncio.run(_pings(500 if quick else 5000))
    return [
        Result(
            what=f"control round trip (ping), p{percent}",
            goal=goal,
            measured=percentile(milliseconds, percent),
            unit="ms",
            detail=f"{len(milliseconds):,} calls",
            command="python -m tests.bench ping",
        )
        for percent, goal in ((50, 0.25), (99, 1.0))
    ]


async def _pings(count: int) -> list[float]:
    milliseconds = []
    async with samovar.connect() as client:
        for _ in range(WARM_UP + count):
            started = time.perf_counter()
            await client.call(Ping())
            milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds[WARM_UP:]
