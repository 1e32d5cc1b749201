"""A real agent in a home of its own, and a real tray on a session bus of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

import samovar
from samovar_protocol import Endpoint, Places
from samovar_protocol.requests import Import
from tests.samovar.tray.desktop import PATIENCE, Panel, PrivateBus, eventually

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class Home:
    def __init__(self, folder: Path) -> None:
        self.places = Places.find({"SAMOVAR_HOME": str(folder)})
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAMOVAR_", "DBUS_"))}
        self.environ = {**kept, "SAMOVAR_HOME": str(folder), "SAMOVAR_PORT": "0"}
        self._processes: list[subprocess.Popen[bytes]] = []

    async def start_agent(self) -> subprocess.Popen[bytes]:
        """Start the agent and wait until it answers."""
        agent = self.spawn("samovar_agent", "--no-tray")

        def up() -> bool:
            assert agent.poll() is None, agent.communicate()[1].decode()
            endpoint = Endpoint.read(self.places.endpoint_file)
            return endpoint is not None and endpoint.pid == agent.pid

        await eventually(up)
        return agent

    def start_tray(self, bus: str) -> subprocess.Popen[bytes]:
        """Start the tray."""
        return self.spawn("samovar.tray", DBUS_SESSION_BUS_ADDRESS=bus)

    def spawn(self, module: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start one of our programs in this home."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**self.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._processes.append(process)
        return process

    def client(self) -> samovar.Client:
        """A client of this home's agent."""
        return samovar.connect(home=self.places.data)

    async def import_model(self, path: Path) -> str:
        """Take the file into the library; the model's key."""
        async with self.client() as client, client.stream(Import(path=str(path), mode="link")) as stream:
            async for _ in stream:
                pass
        return stream.reply.model.key

    def stop(self) -> None:
        """End what is still running, an agent that the tray started included."""
        endpoint = Endpoint.read(self.places.endpoint_file)
        if endpoint is not None and psutil.pid_exists(endpoint.pid):
            os.kill(endpoint.pid, signal.SIGTERM)
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code, once the process has ended."""
    return await asyncio.to_thread(process.wait, PATIENCE)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it as a crash does."""
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "h")
    yield home
    home.stop()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    private = PrivateBus(tmp_path / "b")
    yield private
    private.stop()


@pytest.fixture
async def panel(bus: PrivateBus) -> AsyncIterator[Panel]:
    async with Panel(bus.address) as panel:
        yield panel


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The small chat model."""
    path = Path("~/.cache/samovar/test-models").expanduser() / MODEL_FILE
    if not path.exists():
        reason = f"missing: {path}; tests/run.sh fetches it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == MODEL_DIGEST, f"{path} is damaged: delete it"
    return path
