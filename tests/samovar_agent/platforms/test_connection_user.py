"""Whose a connection within this machine is."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from samovar_agent.platforms import connection_user

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.mark.parametrize(
    ("family", "listens", "connects"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
    ],
)
def test_our_own_connection_is_ours(family: socket.AddressFamily, listens: str, connects: str) -> None:
    with socket.create_server((listens, 0), family=family) as server:
        port = server.getsockname()[1]
        with socket.create_connection((connects, port)) as client:
            accepted, _ = server.accept()
            with accepted:
                own, other = accepted.getsockname()[:2], client.getsockname()[:2]
                assert connection_user(own, other) == os.geteuid()
                assert connection_user(own, (other[0], other[1] ^ 1)) is None


def test_ipv4_by_way_of_a_socket_for_both() -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, peer = server.accept()
            accepted.close()
            assert peer[0] == "::ffff:127.0.0.1"
            other = client.getsockname()
            assert connection_user(("127.0.0.1", port), other) == os.geteuid()


def test_the_line_of_the_other_end_counts(tmp_path: Path) -> None:
    from samovar_agent.platforms.linux import connection_user

    lines = [
        "   0: 0100007F:1C62 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 1",
        "   1: 0100007F:C350 0100007F:1C62 01 00000000:00000000 00:00000000 00000000  1234        0 2",
    ]
    (tmp_path / "tcp").write_text(HEAD + "\n".join(lines) + "\n")
    assert connection_user(("127.0.0.1", 7266), ("127.0.0.1", 50000), tmp_path) == 1234
    assert connection_user(("127.0.0.1", 7266), ("127.0.0.1", 50001), tmp_path) is None
    assert connection_user(("127.0.0.1", 7266), ("127.0.0.1", 50000), tmp_path / "none") is None
