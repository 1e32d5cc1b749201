"""Linux: the kernel kills a worker whose agent is gone, and says whose a connection is."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

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


def connection_user(own: tuple[str, int], other: tuple[str, int], tables: Path = Path("/proc/net")) -> int | None:
    """The user id of whoever holds the other end of a TCP connection within this machine; None where nobody says.

    - own, other: address and port of the two ends. - tables: proc(5), /proc/net/tcp.
    """
    wanted = {(_written(*other), _written(*own))}
    if "." in other[0]:  # a socket for both kinds of addresses has the other table, and writes IPv4 in its own way
        wanted.add((_written(f"::ffff:{other[0]}", other[1]), _written(f"::ffff:{own[0]}", own[1])))
    for name in ("tcp", "tcp6"):
        try:
            lines = (tables / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if (fields[1], fields[2]) in wanted:
                return int(fields[7])
    return None


def _written(address: str, port: int) -> str:
    """As the kernel writes it: words of 32 bits in the machine's own order, in hexadecimal digits."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return f"{b''.join(words).hex().upper()}:{port:04X}"
