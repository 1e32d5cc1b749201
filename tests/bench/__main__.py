"""Measures and prints one table: `python -m tests.bench [startup] [commands] [ping] [idle] [decode] [--quick]`.

Run it alone on the machine. `--quick` takes seconds and is good for trying, not for numbers to quote.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from tests.bench import commands, decode, idle, ping, startup
from tests.bench.report import machine, table

BENCHMARKS = {
    "startup": startup.measure,
    "commands": commands.measure,
    "ping": ping.measure,
    "decode": decode.measure,
    "idle": idle.measure,
}


def main() -> int:
    """Run the chosen benchmarks; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Samovar against its goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all without one")
    parser.add_argument("--quick", action="store_true", help="few and short runs, to try it")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    # Ended from outside, e.g. by `timeout`, it still takes its agents along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(machine(), file=sys.stderr)
    if os.getloadavg()[0] > 0.5:
        print("Something else is running here: the numbers say little. Wait, or stop it.", file=sys.stderr)
    results = []
    for name in options.names or BENCHMARKS:
        print(f"measuring: {name}", file=sys.stderr)
        results += BENCHMARKS[name](quick=options.quick)
    print(table(results))
    return 0 if all(result.reached for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
