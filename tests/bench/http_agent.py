"""The agent with `http_engine` in place of llama.cpp: `python -m tests.bench.http_agent SECONDS_A_STEP`."""

from __future__ import annotations

import functools
import sys

import uvloop

from samovar_agent import app, lock
from samovar_protocol import Places


def main(step: str) -> None:
    """Run until told to stop."""
    command = (sys.executable, "-m", "tests.bench.http_engine", step)
    app.Instances = functools.partial(app.Instances, worker_command=command)  # type: ignore[assignment, attr-defined]
    places = Places.find()
    with lock.acquire(places.lock_file, hopeless=lambda: False):
        uvloop.run(app.run(places, with_tray=False))


if __name__ == "__main__":
    main(sys.argv[1])
