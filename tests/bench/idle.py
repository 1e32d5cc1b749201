"""What an agent takes that has nothing to do: memory after a minute, processor time over five."""

from __future__ import annotations

import time

import psutil

from tests.bench.home import running_agent
from tests.bench.report import Result


def measure(*, quick: bool) -> list[Result]:
    """Leave an agent without a model alone and look at it and its children."""
    settle, watch = (5, 20) if quick else (60, 300)
    with running_agent() as endpoint:
        agent = psutil.Process(endpoint.pid)
        time.sleep(settle)
        memory = sum(process.memory_info().rss for process in _family(agent)) / 1e6
        before, started = _processor_seconds(agent), time.perf_counter()
        time.sleep(watch)
        percent = 100 * (_processor_seconds(agent) - before) / (time.perf_counter() - started)
        processes = len(_family(agent))
    return [
        Result(
            what="idle agent, resident memory",
            goal=80,
            measured=memory,
            unit="MB",
            detail=f"after {settle} s, {processes} process{'es' * (processes > 1)}",
            command="python -m tests.bench idle",
        ),
        Result(
            what="idle agent, processor",
            goal=0.1,
            measured=percent,
            unit="% of a core",
            detail=f"over {watch} s",
            command="python -m tests.bench idle",
        ),
    ]


def _family(agent: psutil.Process) -> list[psutil.Process]:
    return [agent, *agent.children(recursive=True)]


def _processor_seconds(agent: psutil.Process) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in _family(agent)))
