"""The two servers that are compared: Samovar's agent, and llama.cpp's own `llama-server`.

Each is started fresh for its run and gone afterwards, so that neither computes or holds memory while the other does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

import samovar
from tests.bench.home import answers, running_agent, until
from tests.bench.model import THREADS, load_model, model_file

SLOTS = 8
SLOT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. - resident: with the model's file, which is mapped. - own: without it."""

    resident: int
    own: int


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers. - url: what an OpenAI client takes as its base. - model: its name there."""

    url: str
    model: str
    process: psutil.Process

    def memory(self) -> Memory:
        """What it takes now, with its child processes."""
        family = [self.process, *self.process.children(recursive=True)]
        sizes = [process.memory_info() for process in family]
        resident = sum(size.rss for size in sizes)
        return Memory(resident, resident - sum(size.shared for size in sizes))


@contextmanager
def samovar_server(context: int | None) -> Iterator[Server]:
    """The agent in a home of its own, with the model in memory. - context: None for the product's default."""
    with running_agent() as endpoint:
        yield Server(f"{endpoint.http[0]}/v1", asyncio.run(_load(context)), psutil.Process(endpoint.pid))


async def _load(context: int | None) -> str:
    async with samovar.connect() as client:
        return await load_model(client, context)


@contextmanager
def llama_server(binary: Path) -> Iterator[Server]:
    """llama.cpp's server with the same model and threads. - binary: its libraries lie beside it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "-m", model_file(), "-t", THREADS, "-c", SLOTS * SLOT_TOKENS, "-np", SLOTS, "--port", port]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LD_LIBRARY_PATH": str(binary.parent)},
        ) as process,
    ):
        try:
            until(lambda: process.poll() is not None or answers(f"127.0.0.1:{port}"), "llama-server answers")
            if process.returncode is not None:
                log.seek(0)
                raise RuntimeError(f"llama-server ended: {log.read()[-500:].decode(errors='replace')}")
            yield Server(f"http://127.0.0.1:{port}/v1", "m", psutil.Process(process.pid))
        finally:
            process.terminate()
