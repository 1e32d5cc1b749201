"""What Linux and macOS share."""

from __future__ import annotations

import sys
from typing import IO


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
