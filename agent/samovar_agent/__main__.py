"""`python -m samovar_agent [--no-tray] [--foreground]`: the agent's process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from typing import NoReturn

import msgspec

from samovar_agent import app, lock
from samovar_agent.stopping import STOP_SECONDS
from samovar_protocol import Places, SamovarError

_ALREADY_RUNNING = 75  # EX_TEMPFAIL of sysexits.h; `samovar up` then attaches to the other one
_CANNOT_START = 78  # EX_CONFIG


def main() -> int:
    """Run until told to stop; the exit code says why it could not start."""
    parser = argparse.ArgumentParser(prog="samovar agent run", description="The Samovar agent.")
    parser.add_argument("--no-tray", action="store_true", help="do not start the tray")
    parser.add_argument("--foreground", action="store_true", help="log to the terminal too")
    options = parser.parse_args()
    places = Places.find()
    try:
        # An agent publishes its endpoint when it is up and withdraws it when it begins to stop.
        held = lock.acquire(places.lock_file, hopeless=places.endpoint_file.exists)
    except lock.AlreadyRunning:
        print("another Samovar agent is running for this home", file=sys.stderr)  # noqa: T201
        return _ALREADY_RUNNING
    with held:
        try:
            _run(
                app.run(
                    places,
                    with_tray=not options.no_tray,
                    foreground=options.foreground,
                    stop_within=STOP_SECONDS,
                )
            )
        except SamovarError as error:
            # One JSON line, so that `samovar up` can show the same failure as it would have got over the socket.
            print(msgspec.json.encode(error.failure).decode(), file=sys.stderr)  # noqa: T201
            return _CANNOT_START
        except KeyboardInterrupt:
            return 130
    return 0


def _run(coroutine: object) -> None:
    if sys.platform == "win32":
        asyncio.run(coroutine)  # type: ignore[arg-type]
    else:
        import uvloop

        uvloop.run(coroutine)  # type: ignore[arg-type]


def leave(code: int) -> NoReturn:
    """End the process without taking Python apart.

    That gives back nothing which the system does not; it takes a quarter of a second of processor time, seven seconds
    on a machine where everybody wants it, and waits for threads that nobody waits for.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
