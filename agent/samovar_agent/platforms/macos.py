"""macOS: no parent-death signal exists; a worker ends at the end of its standard input."""

from __future__ import annotations

import os


def die_with_parent(parent: int) -> None:
    """End here where `parent` is gone already; later its closed pipe says so."""
    if os.getppid() != parent:
        os._exit(1)


def keep_child(pid: int) -> None:
    """Nothing to do: the worker watches its pipe."""


def binary_pipes(*descriptors: int) -> None:
    """Nothing to do: POSIX knows only bytes."""


def connection_user(own: tuple[str, int], other: tuple[str, int]) -> int | None:
    """Who holds the other end of a connection within this machine; nobody says so here without an administrator."""
    return None
