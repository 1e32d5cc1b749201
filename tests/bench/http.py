"""What the local server costs: short requests, streams, many streams, and all of it while somebody scrapes metrics.

The engine is `http_engine`, which sends one token a piece without computing anything, so that what is measured is the
agent: from the worker's pipe to the client's socket. Processor time is that of the agent's process alone. The last line
is of a real model instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil

import samovar
from samovar_protocol import Endpoint, Places
from samovar_protocol.requests import Load
from tests.bench.home import http_answers, stop, temporary_home, until
from tests.bench.http_bare import bare_handler
from tests.bench.http_model import one_stream
from tests.bench.model import import_model
from tests.bench.report import Result, middle, spread

COMMAND = "python -m tests.bench http"
CONNECTIONS = 64
STREAMS = 200
STEP_SECONDS = 0.05
WARM_UPS = 20
SCRAPED = "/metrics"


def measure(*, quick: bool, scraped: str = SCRAPED) -> list[Result]:
    """Rates, latencies, processor time, memory. - scraped: what a monitor asks for each second; empty for nothing."""
    rounds, seconds, tokens = (1, 1.0, 40) if quick else (5, 5.0, 200)
    with _agent() as (process, endpoint):
        port = int(endpoint.http[0].rpartition(":")[2])
        model = asyncio.run(_load())
        results = [
            *_short(process, port, rounds, seconds, scraped),
            *_streams(process, port, model, rounds, tokens),
        ]
    return [*results, one_stream(_processor, rounds, COMMAND)]


@contextmanager
def _agent() -> Iterator[tuple[psutil.Process, Endpoint]]:
    with temporary_home() as places:
        command = [sys.executable, "-m", "tests.bench.http_agent", str(STEP_SECONDS)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                until(lambda: http_answers(places), "the agent answers over HTTP")
                yield psutil.Process(process.pid), _endpoint(places)
            finally:
                stop(places)


def _endpoint(places: Places) -> Endpoint:
    endpoint = Endpoint.read(places.endpoint_file)
    assert endpoint is not None
    return endpoint


async def _load() -> str:
    async with samovar.connect() as client:
        key = await import_model(client)
        await client.call(Load(name=key))
    return key


def _short(agent: psutil.Process, port: int, rounds: int, seconds: float, scraped: str) -> list[Result]:
    """`/v1/models`, alone, scraped, and a bare handler in turns, so that a slow moment of the machine meets all."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as reply:
        body = reply.read()
    with bare_handler(body) as bare_port:
        return _short_beside(agent, port, bare_port, rounds, seconds, scraped)


def _short_beside(
    agent: psutil.Process, port: int, bare_port: int, rounds: int, seconds: float, scraped: str
) -> list[Result]:
    for each in (port, bare_port):
        _clients("requests", each, "/v1/models", CONNECTIONS, seconds / 2)  # to warm up
    alone, beside, bare = [], [], []
    costs = []
    scraping = scraped and _answers(port, scraped)
    if scraped and not scraping:
        print(f"{scraped} does not answer, so nothing is scraped", file=sys.stderr)
    for _ in range(rounds):
        before = _processor(agent)
        found = _clients("requests", port, "/v1/models", CONNECTIONS, seconds)
        costs.append(1e6 * (_processor(agent) - before) / found["requests"])
        alone.append(found)
        bare.append(_clients("requests", bare_port, "/v1/models", CONNECTIONS, seconds))
        if scraping:
            with _scraped(port, scraped):
                beside.append(_clients("requests", port, "/v1/models", CONNECTIONS, seconds))
    rates, worst = [found["rate"] for found in alone], [found["p99"] for found in alone]
    detail = f"{spread(rates, 'requests/s')}; {middle(costs):.1f} µs of the agent's processor time each"
    results = [
        _result("`/v1/models`, requests a second", 15_000, middle(rates), "/s", detail, "≥"),
        _result(f"`/v1/models`, p99 with {CONNECTIONS} connections", 5, middle(worst), "ms", spread(worst, "ms"), "≤"),
    ]
    bounds: list[tuple[str, float, Literal["≤", "≥"]]] = [("rate", 15_000 / 39_000, "≥"), ("p99", 1.0, "≤")]
    for what, goal, bound in bounds:
        ratios = [one[what] / other[what] for one, other in zip(alone, bare, strict=True)]
        results.append(
            _result(
                f"`/v1/models`, {what}, against a bare aiohttp handler that sends the same bytes",
                goal,
                middle([one[what] for one in alone]) / middle([one[what] for one in bare]),
                "×",
                f"{spread(ratios, '×')}; bare: {spread([one[what] for one in bare], '')}",
                bound,
            )
        )
    if beside:
        ratios = [scraped_["rate"] / plain["rate"] for scraped_, plain in zip(beside, alone, strict=True)]
        results.append(
            _result(
                f"`/v1/models` while `{scraped}` is scraped each second, against without",
                0.97,
                middle(ratios),
                "×",
                spread(ratios, "×"),
                "≥",
            )
        )
    return results


def _streams(agent: psutil.Process, port: int, model: str, rounds: int, tokens: int) -> list[Result]:
    """Chats: one, some, and very many at the same time. One pays alone for each time that the agent wakes up."""
    for _ in range(WARM_UPS):  # buffers, and memory that the allocator keeps
        _clients("streams", port, model, STREAMS, 10)
    costs: dict[int, list[float]] = {1: [], 20: [], STREAMS: []}
    memory, lost = [agent.memory_info().rss], 0
    for _ in range(rounds):
        for count, of_count in costs.items():
            before = _processor(agent)
            found = _clients("streams", port, model, count, tokens)
            of_count.append(1e3 * (_processor(agent) - before) / found["tokens"])
            lost += count - int(found["whole"])
        memory.append(agent.memory_info().rss)
    grown = (memory[-1] - memory[0]) / 1e6
    return [
        *(
            _result(
                f"a token's processor time, streams at the same time: {count}",
                0.15,
                middle(of_count),
                "ms",
                spread(of_count, "ms"),
                "≤",
            )
            for count, of_count in costs.items()
        ),
        _result(
            f"{STREAMS} streams at the same time, those not whole",
            0,
            lost,
            "streams",
            f"{rounds} times {STREAMS} of {tokens} tokens, each checked token by token",
            "≤",
        ),
        _result(
            f"memory of the agent after {rounds} times {STREAMS} streams, against before",
            5,
            grown,
            "MB more",
            f"{memory[0] / 1e6:.0f} to {memory[-1] / 1e6:.0f} MB",
            "≤",
        ),
    ]


def _result(what: str, goal: float, measured: float, unit: str, detail: str, bound: Literal["≤", "≥"]) -> Result:
    return Result(
        what=what,
        goal=goal,
        measured=measured,
        unit=unit,
        detail=detail,
        command=COMMAND,
        bound=bound,
    )


def _clients(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.http_load", *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _processor(agent: psutil.Process) -> float:
    """Seconds of all of its threads, by the scheduler's clock where there is one; the other counts in hundredths."""
    threads = Path(f"/proc/{agent.pid}/task")
    try:
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads.iterdir()) / 1e9
    except OSError:
        times = agent.cpu_times()
        return float(times.user + times.system)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _scraped(port: int, path: str) -> Iterator[None]:
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(OSError):
                _answers(port, path)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        yield
    finally:
        over.set()
        scraper.join()
