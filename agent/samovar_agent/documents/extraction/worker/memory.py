"""How much memory this process may take."""

from __future__ import annotations

import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def limit_memory(limit: int) -> None:
    """Let allocations fail beyond `limit` bytes on top of what this process has reserved already.

    Only on Linux, where address space is what an allocation takes; elsewhere the agent looks at the process's size.
    """
    if sys.platform == "linux":
        import resource

        reserved = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = reserved + limit
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
