"""What `test_unplugged` runs inside a network namespace that has nothing but loopback.

python -m tests.processes.unplugged HOME CHAT_MODEL EMBEDDER
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys
import time
from pathlib import Path

import psutil

from tests.processes import session
from tests.processes.agent import AgentProcess

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


def main(home: Path, chat_model: Path, embedder: Path) -> None:
    """Check that there is no network, then use everything."""
    _loopback_up()
    assert set(psutil.net_if_addrs()) == {"lo"}
    with socket.socket() as probe:
        assert probe.connect_ex(("192.0.2.1", 80)) == errno.ENETUNREACH
    agent = AgentProcess(home)
    try:
        started = time.monotonic()
        agent.up()
        print(f"up in {time.monotonic() - started:.1f} s")
        assert agent.json("network", "status")["connected"] is False
        session.use_everything(agent, chat_model, embedder)
        assert agent.cli("down").returncode == 0
        assert "ERROR" not in agent.logs(), agent.logs()
    finally:
        agent.stop()
    print("everything works unplugged")


def _loopback_up() -> None:
    """As `ip link set lo up` does it; a new namespace has it, but down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
