"""Samovar against `llama-server`, built from the very same llama.cpp: speed over HTTP as a client feels it, and memory.

Both run in turns, A B A B, with the same model file and threads. A client that belongs to neither measures them; see
its own text for what each number means. What counts is the ratio of the medians.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench.report import Result, middle
from tests.bench.servers import Server, llama_server, samovar_server

CLIENT = Path(__file__).parents[2].parent / "shared" / "bench" / "chat_bench.py"
Run = dict[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. - key: of a run. - goal: of the ratio of ours to theirs."""

    what: str
    key: str
    bound: Literal["≤", "≥"]
    goal: float
    unit: str


LINES = (
    Line("decode, one stream", "decode_tps", "≥", 0.97, "tokens/s"),
    Line("4 streams, together", "agg_tps_c4", "≥", 1.0, "tokens/s"),
    Line("8 streams, together", "agg_tps_c8", "≥", 1.0, "tokens/s"),
    Line("first token, new prompt of 1,000 words", "ttft_cold_1k", "≤", 1.03, "s"),
    Line("first token, median of 8 streams started together", "ttft_p50_c8", "≤", 1.0, "s"),
    Line("first token, next turn of that conversation", "ttft_next_turn", "≤", 1.0, "s"),
    Line("first token, 4 clients share that prompt, median", "ttft_shared_x4_p50", "≤", 0.08, "s"),
    Line("first token, 4 clients share that prompt, worst", "ttft_shared_x4_max", "≤", 0.08, "s"),
    Line("memory after the run, resident", "resident", "≤", 0.7, "MB"),
    Line("memory after the run, without the model's file", "own", "≤", 0.7, "MB"),
)


def measure(*, quick: bool, server: Path, client: Path = CLIENT, rounds: int = 5) -> list[Result]:
    """So many rounds of both. - server: the `llama-server` binary. - client: what measures."""
    sides: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "samovar": lambda: samovar_server(None),
        "llama-server": lambda: llama_server(server),
    }
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for number in range(1 if quick else rounds):
        for side, start in sides.items():
            with start() as running:
                # A fresh seed each time, or caches would answer.
                run = _run(client, running, seed=time.time_ns() % 1_000_000_000)
            print(f"round {number + 1}, {side}: {json.dumps(run)}", file=sys.stderr, flush=True)
            runs[side].append(run)
    ours, theirs = runs.values()
    return [_result(line, [run[line.key] for run in ours], [run[line.key] for run in theirs]) for line in LINES]


def _run(client: Path, server: Server, seed: int) -> Run:
    """One run of the client, and the server's memory behind it."""
    command = [sys.executable, str(client), server.url, "--model", server.model, "--seed", str(seed)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=900).stdout
    memory = server.memory()
    run: Run = json.loads(output)
    return run | {"resident": round(memory.resident / 1e6, 1), "own": round(memory.own / 1e6, 1)}


def _result(line: Line, ours: list[float], theirs: list[float]) -> Result:
    return Result(
        what=f"{line.what}, against llama-server",
        goal=line.goal,
        measured=middle(ours) / middle(theirs),
        unit="×",
        detail=f"{_spread(ours)} against {_spread(theirs)} {line.unit}, {len(ours)} runs each",
        command="python -m tests.bench compare",
        bound=line.bound,
    )


def _spread(values: list[float]) -> str:
    return f"{middle(values):.3g} ({min(values):.3g} to {max(values):.3g})"
