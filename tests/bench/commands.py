"""How long short commands take, as whole processes."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.home import SAMOVAR, running_agent
from tests.bench.report import Result, middle, spread

COMMANDS = {
    "`samovar status`, agent running": (0.2, [SAMOVAR, "status"]),
    "`samovar --help`": (0.15, [SAMOVAR, "--help"]),
    "`import samovar`": (0.15, [sys.executable, "-c", "import samovar"]),
}


def measure(*, quick: bool) -> list[Result]:
    """The commands in turn, so that a slow moment of the machine meets all of them."""
    seconds: dict[str, list[float]] = {what: [] for what in COMMANDS}
    with running_agent():
        for _ in range(3 if quick else 21):
            for what, (_goal, command) in COMMANDS.items():
                started = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                seconds[what].append(time.perf_counter() - started)
    return [
        Result(
            what=what,
            goal=goal,
            measured=middle(seconds[what]),
            unit="s",
            detail=spread(seconds[what], "s"),
            command="python -m tests.bench commands",
        )
        for what, (goal, _command) in COMMANDS.items()
    ]
