"""The endpoint file: private, atomic, and None where it is not one."""

import os
import stat
from pathlib import Path

import pytest

from samovar_protocol import Endpoint

ENDPOINT = Endpoint(
    protocol=(1, 0),
    version="0.1.0",
    pid=1,
    control="ipc:///c",
    events="ipc:///e",
    http=["http://127.0.0.1:7266"],
    server_key="s",
    client_key="c",
    client_secret="x",
)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "endpoint.json"
    previous = os.umask(0)
    try:
        ENDPOINT.write(path)
    finally:
        os.umask(previous)
    assert Endpoint.read(path) == ENDPOINT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b'{"protocol": "1.0"}'])
def test_anything_else_is_no_endpoint(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "endpoint.json"
    if content is not None:
        path.write_bytes(content)
    assert Endpoint.read(path) is None
