"""Linux: the kernel kills a worker whose agent is gone."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the thread that started this process ends.

    Where `parent` is gone already, the signal would never come: then this process ends here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def keep_child(pid: int) -> None:
    """Nothing to do: the worker asks the kernel itself."""


def binary_pipes(*descriptors: int) -> None:
    """Nothing to do: POSIX knows only bytes."""
