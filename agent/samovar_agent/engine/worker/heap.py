"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import sys

_LARGE_BYTES = 4_000_000
_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of malloc.h."""


def return_large_blocks() -> None:
    """Let the system have large blocks back as soon as they are freed.

    With each one that is freed, glibc raises the size from which it does so, to 32 MB at most. Where buffers grow with
    the texts that come, each earlier one then stays with the process: 20 MB a lane of a small encoder.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
