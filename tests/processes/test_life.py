"""The agent's life: starting, stopping, one at a time, recovering from `kill -9`."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from samovar import SamovarError
from samovar.requests import Ls, Ping, Status
from samovar_agent import lock
from samovar_protocol import Endpoint, FailureCode
from tests.processes.agent import (
    SAMOVAR,
    AgentProcess,
    alive,
    endless,
    first_text,
    import_model,
    reply_to,
    short,
    soon,
    until,
)

pytestmark = pytest.mark.processes


def is_agent_of(process: psutil.Process, home: Path) -> bool:
    try:
        return "samovar_agent" in process.cmdline() and process.environ().get("SAMOVAR_HOME") == str(home)
    except psutil.Error:
        return False


def test_up_status_down(fresh: AgentProcess) -> None:
    fresh.up()
    assert fresh.json("status")["pid"] == fresh.endpoint.pid
    process = fresh.process()
    assert fresh.cli("down").returncode == 0
    until(lambda: not alive(process))
    assert [path.name for path in fresh.places.run.iterdir()] == ["agent.lock"]
    assert fresh.cli("status").returncode != 0


def test_a_second_up_attaches_to_the_first(agent: AgentProcess) -> None:
    first = agent.endpoint.pid
    run = agent.cli("up", "--no-tray")
    assert run.returncode == 0
    assert agent.endpoint.pid == first
    assert str(first) in run.stdout + run.stderr


def test_many_ups_at_once_make_one_agent(fresh: AgentProcess) -> None:
    ups = [
        subprocess.Popen(
            [SAMOVAR, "up", "--no-tray"], env=fresh.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(4)
    ]
    outputs = [up.communicate(timeout=60)[0].decode() for up in ups]
    assert [up.returncode for up in ups] == [0] * 4, outputs
    assert all(str(fresh.endpoint.pid) in output for output in outputs)
    # None of the losers waits to take over once the winner is told to stop.
    ours = [process for process in psutil.process_iter() if is_agent_of(process, fresh.home)]
    assert [process.pid for process in ours] == [fresh.endpoint.pid]


def test_an_up_waits_for_an_agent_that_takes_long_to_stop(fresh: AgentProcess) -> None:
    held = lock.acquire(fresh.places.lock_file, hopeless=lambda: False)  # as one does that has withdrawn its endpoint
    release = threading.Timer(4, held.close)
    release.start()
    try:
        fresh.up()
    finally:
        release.join()


def test_files_in_the_folder_where_it_is_started_change_nothing(fresh: AgentProcess, tmp_path: Path) -> None:
    for module in ("ctypes", "json", "zmq"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a file of the user was run')")
    run = subprocess.run([SAMOVAR, "up", "--no-tray"], env=fresh.environ, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_endpoint_is_for_its_owner_only(agent: AgentProcess) -> None:
    assert stat.S_IMODE(agent.places.endpoint_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(agent.places.run.stat().st_mode) == 0o700


def test_after_kill_9_the_next_up_recovers(agent: AgentProcess) -> None:
    killed = agent.endpoint
    agent.kill()
    assert Endpoint.read(agent.places.endpoint_file) == killed, "a killed agent cannot clean up after itself"
    assert agent.cli("status").returncode != 0
    agent.up()
    assert agent.endpoint.pid != killed.pid
    assert agent.endpoint.server_key != killed.server_key


@pytest.mark.model
async def test_kill_9_leaves_no_orphan_and_fails_its_clients(loaded: AgentProcess) -> None:
    async with loaded.client() as client:
        async with client.stream(endless()) as stream:
            await first_text(stream)
            workers = loaded.workers()
            assert workers
            await asyncio.to_thread(loaded.kill)
            with pytest.raises(SamovarError) as raised:
                async with asyncio.timeout(5):
                    async for _ in stream:
                        pass
            assert raised.value.code == FailureCode.AGENT_NOT_RUNNING
        await soon(lambda: not any(alive(worker) for worker in workers), 5)
    await asyncio.to_thread(loaded.up)
    async with loaded.client() as client:
        assert (await client.call(Ls())).models, "an acknowledged import survives"
        assert await reply_to(client, short())


@pytest.mark.model
async def test_sigterm_ends_streams_with_an_error_and_the_process_cleanly(
    fresh: AgentProcess, small_model: Path
) -> None:
    process = fresh.spawn()
    await soon(fresh.places.endpoint_file.exists)
    async with fresh.client() as client:
        await import_model(client, small_model)
        async with client.stream(endless()) as stream:
            await first_text(stream)
            workers = fresh.workers()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(SamovarError) as raised:
                async with asyncio.timeout(10):
                    async for _ in stream:
                        pass
            assert raised.value.code == FailureCode.SHUTTING_DOWN
    output, _ = await asyncio.to_thread(process.communicate, timeout=20)
    assert (process.returncode, output) == (0, b"")
    assert not any(alive(worker) for worker in workers)
    assert not fresh.places.endpoint_file.exists()


async def test_an_idle_client_learns_that_the_agent_is_gone(agent: AgentProcess) -> None:
    async with agent.client() as client, client.events() as events:
        await client.call(Ping())
        await asyncio.to_thread(agent.kill)
        async with asyncio.timeout(5):
            async for _ in events:
                pass
        with pytest.raises(SamovarError):
            await client.call(Status())


def test_a_settings_file_that_cannot_be_read_is_named_by_up(fresh: AgentProcess) -> None:
    fresh.home.mkdir()
    fresh.places.config_file.write_text("[engine]\nthreads = 'many'\n")
    run = fresh.cli("up", "--no-tray", "--json")
    assert run.returncode != 0
    assert "setting_invalid" in run.stdout + run.stderr
    assert "config.toml" in run.stdout + run.stderr
    fresh.places.config_file.unlink()


def test_a_database_from_the_future_is_refused_with_a_sentence(fresh: AgentProcess) -> None:
    fresh.up()
    fresh.cli("down")
    until(lambda: not fresh.places.endpoint_file.exists())
    with sqlite3.connect(fresh.places.database_file) as database:
        database.execute("insert into migrations (number, name, applied_at) values (9999, 'later', 0)")
    database.close()
    run = fresh.cli("up", "--no-tray", "--json")
    assert run.returncode != 0
    assert "store_too_new" in run.stdout + run.stderr


def test_a_home_so_deep_that_no_socket_fits_in_it_works(tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path / ("deep" * 40))
    try:
        agent.up()
        path = agent.endpoint.control.removeprefix("ipc://")
        assert len(os.fsencode(path)) < 104
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        assert agent.json("status")["pid"] == agent.endpoint.pid
    finally:
        agent.stop()


def test_a_taken_port_is_said_and_costs_only_http(fresh: AgentProcess, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        fresh.environ["SAMOVAR_PORT"] = str(port)
        run = fresh.cli("up", "--no-tray")
        assert run.returncode == 0
        status = fresh.json("status")
        assert str(port) in status["http"]["problem"]
        assert status["http"]["urls"] == []
        assert str(port) in run.stderr + run.stdout
        log = fresh.places.log_file.read_text()
        assert any(str(port) in json.loads(line)["message"] for line in log.splitlines())
