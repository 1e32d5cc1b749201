"""Measures and prints one table: `python -m tests.bench [NAME ...] [--quick]`; `--help` lists the names.

Run it alone on the machine. `--quick` takes seconds and is good for trying, not for numbers to quote.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path

from tests.bench import (
    commands,
    compare,
    decode,
    documents_ingest,
    documents_life,
    documents_quality,
    documents_search,
    embeddings,
    first,
    http,
    idle,
    library,
    ping,
    refresh,
    restart,
    speculation,
    startup,
)
from tests.bench.report import machine, table

AGAINST_SERVER = ("compare", "embeddings")
BENCHMARKS = {
    "startup": startup.measure,
    "commands": commands.measure,
    "ping": ping.measure,
    "decode": decode.measure,
    "first": first.measure,
    "restart": restart.measure,
    "speculation": speculation.measure,
    "library": library.measure,
    "refresh": refresh.measure,
    "documents-warm": documents_life.warm,
    "documents-edit": documents_life.edit,
    "documents-embed": documents_life.embed,
    "documents-ingest": documents_ingest.measure,
    "documents-search": documents_search.measure,
    "documents-quality": documents_quality.measure,
    "http": http.measure,
    "idle": idle.measure,
}


def main() -> int:
    """Run the chosen benchmarks; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Samovar against its goals.")
    names = f"{', '.join(BENCHMARKS)}; with --server also {', '.join(AGAINST_SERVER)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {names}; all without one")
    parser.add_argument("--quick", action="store_true", help="few and short runs, to try it")
    parser.add_argument("--server", type=Path, metavar="FILE", help="the llama-server to compare with")
    parser.add_argument(
        "--client", type=Path, metavar="FILE", default=compare.CLIENT, help="what measures both in `compare`"
    )
    parser.add_argument(
        "--python", type=Path, metavar="FILE", help="an interpreter that has sentence-transformers, for `embeddings`"
    )
    parser.add_argument("--rounds", type=int, metavar="N", default=5, help="runs of each when comparing with --server")
    parser.add_argument(
        "--chunks", type=int, metavar="N", default=documents_search.CHUNKS, help="in the store of `documents-search`"
    )
    parser.add_argument(
        "--collection",
        type=Path,
        metavar="FOLDER",
        default=documents_quality.COLLECTION,
        help="with judged queries, for `documents-quality`",
    )
    parser.add_argument(
        "--scrape", metavar="PATH", default=http.SCRAPED, help="what is asked for each second in `http`; empty for none"
    )
    options = parser.parse_args()
    benchmarks = dict(BENCHMARKS)
    benchmarks["documents-search"] = partial(documents_search.measure, chunks=options.chunks)
    benchmarks["documents-quality"] = partial(documents_quality.measure, collection=options.collection.expanduser())
    benchmarks["http"] = partial(http.measure, scraped=options.scrape)
    if options.server:
        server, rounds = options.server.expanduser(), options.rounds
        benchmarks["compare"] = partial(compare.measure, server=server, client=options.client, rounds=rounds)
        benchmarks["embeddings"] = partial(embeddings.measure, server=server, python=options.python, rounds=rounds)
    elif needy := set(options.names) & set(AGAINST_SERVER):
        parser.error(f"{', '.join(sorted(needy))} needs --server")
    if unknown := set(options.names) - set(benchmarks):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    # Ended from outside, e.g. by `timeout`, it still takes its agents along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(machine(), file=sys.stderr)
    if os.getloadavg()[0] > 0.5:
        print("Something else is running here: the numbers say little. Wait, or stop it.", file=sys.stderr)
    results = []
    for name in options.names or benchmarks:
        print(f"measuring: {name}", file=sys.stderr)
        results += benchmarks[name](quick=options.quick)
    print(table(results))
    return 0 if all(result.reached for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
