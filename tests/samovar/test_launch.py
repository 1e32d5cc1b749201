"""Finding the agent: a stale endpoint is recognised, a missing one is a sentence."""

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

import samovar
from samovar import FailureCode, SamovarError, _launch
from samovar._launch import reachable
from samovar_protocol import Endpoint


def endpoint(control: str) -> Endpoint:
    return Endpoint(
        protocol=(1, 0),
        version="0.1.0",
        pid=1,
        control=control,
        events=control,
        http=[],
        server_key="s" * 40,
        client_key="c" * 40,
        client_secret="x" * 40,
    )


def test_nobody_listens_behind_a_file_that_a_killed_agent_left(tmp_path: Path) -> None:
    assert not reachable(endpoint(f"ipc://{tmp_path}/gone"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/left")
    assert not reachable(endpoint(f"ipc://{tmp_path}/left"))


def test_a_listener_is_reachable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/here")
        listener.listen()
        assert reachable(endpoint(f"ipc://{tmp_path}/here"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert reachable(endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))


async def test_without_an_agent_connecting_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SamovarError) as raised:
        async with samovar.connect(home=tmp_path):
            pass
    assert raised.value.code == FailureCode.AGENT_NOT_RUNNING
    assert "samovar up" in raised.value.hint


def test_the_synchronous_client_says_the_same(tmp_path: Path) -> None:
    with pytest.raises(SamovarError) as raised, samovar.connect_sync(home=tmp_path):
        pass
    assert raised.value.code == FailureCode.AGENT_NOT_RUNNING


def test_a_full_disk_is_said_where_the_agent_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, used=10**9, free=4096))
    output = tmp_path / "logs" / "start.log"
    output.parent.mkdir()
    output.write_bytes(b"")
    failed = _launch._failure(output, "The agent ended at once (exit code 1).")
    assert failed.code == FailureCode.DISK_FULL
    assert str(tmp_path) in failed.failure.message
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, used=0, free=10**9))
    assert _launch._failure(output, "It ended.").code == FailureCode.AGENT_START_FAILED
