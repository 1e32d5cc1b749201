"""The single-instance lock: one agent a user and home.

The operating system gives the lock back when the process ends, however it ends, so a killed agent leaves nothing to
clean up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from samovar_agent.platforms import try_lock

_PATIENCE = 20.0
"""Seconds; longer than an agent takes to stop whatever happens, see `stopping.py`."""
_PAUSE = 0.02


class AlreadyRunning(Exception):
    """Another agent holds the lock."""


def acquire(path: Path, *, hopeless: Callable[[], bool], patience: float = _PATIENCE) -> IO[bytes]:
    """Hold the lock until the returned file is closed or the process ends; raises `AlreadyRunning`.

    - hopeless: whether its holder is there to stay; one that is just stopping is worth waiting for.
    - patience: seconds to wait at most.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("ab+")
    deadline = time.monotonic() + patience
    while not try_lock(file):
        if hopeless() or time.monotonic() > deadline:
            file.close()
            raise AlreadyRunning(str(path))
        time.sleep(_PAUSE)
    file.truncate(0)
    file.write(f"{os.getpid()}\n".encode())
    file.flush()
    return file
