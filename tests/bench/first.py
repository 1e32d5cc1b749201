"""From nothing running to the first token: `samovar run NAME PROMPT`, whole processes, the model in the page cache.

Where the time goes is put together from outside: when each process began, what the agent's log says, when text came.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from dataclasses import astuple, dataclass

import psutil

import samovar
from samovar_protocol import Endpoint, Places
from samovar_protocol.requests import ConfigSet, Ps
from tests.bench.home import SAMOVAR, stop, temporary_home
from tests.bench.model import THREADS, import_model, model_file
from tests.bench.report import Result, middle, spread

PROMPT = "Say hello."


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds, one after another. `prompt` is by the worker's clock, and `way` is what is left."""

    command: float
    agent: float
    request: float
    worker: float
    prompt: float
    way: float


STAGES = (
    "the command starts the agent",
    "the agent starts",
    "the command finds it, and the agent starts a worker",
    "the worker starts and loads the model",
    "it computes the prompt",
    "the first text goes to the terminal",
)


def measure(*, quick: bool) -> list[Result]:
    """Several starts in one home; the very first, which also makes the home, is not counted."""
    totals, stages = [], []
    with temporary_home() as places:
        samovar.start_agent(tray=False)
        key = asyncio.run(_prepare())
        stop(places)
        model_file().read_bytes()
        for _ in range(1 + (3 if quick else 11)):
            total, parts = _start(places, key)
            stop(places)
            totals.append(total)
            stages.append(astuple(parts))
    where = [middle(values) for values in zip(*stages[1:], strict=True)]
    return [
        Result(
            what="nothing runs: `samovar run NAME PROMPT` until its first token",
            goal=2.0,
            measured=middle(totals[1:]),
            unit="s",
            detail=f"{spread(totals[1:], 's')}: "
            + ", ".join(f"{seconds:.2f} s {stage}" for seconds, stage in zip(where, STAGES, strict=True)),
            command="python -m tests.bench first",
            bound="≤",
        )
    ]


async def _prepare() -> str:
    async with samovar.connect() as client:
        await client.call(ConfigSet(key="engine.threads", value=THREADS))
        return await import_model(client)


def _start(places: Places, key: str) -> tuple[float, Stages]:
    """Seconds until the first text, and where they went."""
    command = [SAMOVAR, "run", key, PROMPT, "--max-tokens", "8", "--temperature", "0"]
    wall, clock = time.time(), time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        began = psutil.Process(process.pid).create_time()
        assert process.stdout is not None
        text = os.read(process.stdout.fileno(), 1)
        total = time.perf_counter() - clock
        if not text or process.wait() != 0:
            raise RuntimeError("`samovar run` said nothing")
    endpoint = Endpoint.read(places.endpoint_file)
    assert endpoint is not None
    agent = psutil.Process(endpoint.pid)
    [worker] = [child for child in agent.children() if "samovar_agent.engine.worker" in child.cmdline()]  # or a tray
    log = [json.loads(line) for line in places.log_file.read_text(encoding="utf-8").splitlines()]
    told = {
        what: max(line["time"] for line in log if line["message"].endswith(what)) - wall
        for what in ("agent started", "is loaded")
    }
    # Processes' times of birth have a base of their own; only their differences are exact, to a hundredth of a second.
    agent_born, worker_born = agent.create_time() - began, worker.create_time() - began
    prompt = asyncio.run(_prompt_seconds())
    return total, Stages(
        command=agent_born,
        agent=told["agent started"] - agent_born,
        request=worker_born - told["agent started"],
        worker=told["is loaded"] - worker_born,
        prompt=prompt,
        way=total - told["is loaded"] - prompt,
    )


async def _prompt_seconds() -> float:
    """What the prompt of the only reply so far took."""
    async with samovar.connect() as client:
        [instance] = (await client.call(Ps())).instances
    assert instance.last is not None
    return instance.last.prompt_seconds
