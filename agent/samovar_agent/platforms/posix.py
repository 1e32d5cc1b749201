"""What Linux and macOS share."""

from __future__ import annotations

import asyncio
import sys
from typing import IO, Any


def try_lock(file: IO[bytes]) -> bool:
    """Take the whole file for this process until it is closed or the process ends; False where another has it."""
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def watching_loop(loop: asyncio.AbstractEventLoop) -> Any:
    """The loop itself: it watches descriptors."""
    return loop
