"""How long `samovar up` takes until the HTTP server answers, with no model in memory."""

from __future__ import annotations

import subprocess
import time

from tests.bench.home import SAMOVAR, http_answers, stop, temporary_home, until
from tests.bench.report import Result, middle, spread


def measure(*, quick: bool) -> list[Result]:
    """Start and stop an agent again and again in one home; its very first start is not counted."""
    seconds = []
    with temporary_home() as places:
        for _ in range(1 + (3 if quick else 15)):
            started = time.perf_counter()
            with subprocess.Popen([SAMOVAR, "up", "--no-tray"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                until(lambda: http_answers(places), "the HTTP server answers")
                seconds.append(time.perf_counter() - started)
            stop(places)
    return [
        Result(
            what="`samovar up` until HTTP answers, no model",
            goal=1.0,
            measured=middle(seconds[1:]),
            unit="s",
            detail=spread(seconds[1:], "s"),
            command="python -m tests.bench startup",
        )
    ]
