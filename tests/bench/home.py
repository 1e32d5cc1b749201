"""An agent to measure: in a home of its own, on a free port, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

import samovar
from samovar_protocol import Endpoint, Places

SAMOVAR = str(Path(sys.executable).with_name("samovar"))
DEADLINE = 60.0


@contextmanager
def temporary_home() -> Iterator[Places]:
    """A fresh `SAMOVAR_HOME`, for this process and those it starts; an agent that is left in it is stopped."""
    with tempfile.TemporaryDirectory(prefix="samovar-bench-") as folder:
        before = dict(os.environ)
        os.environ.update(
            SAMOVAR_HOME=folder, SAMOVAR_PORT="0", SAMOVAR_DISCOVER="false", HF_ENDPOINT="http://127.0.0.1:9"
        )
        try:
            yield Places.find()
        finally:
            stop(Places.find())
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def running_agent() -> Iterator[Endpoint]:
    """A running agent without a tray."""
    with temporary_home():
        yield samovar.start_agent(tray=False)


def stop(places: Places) -> None:
    """Stop the agent of `places` and wait until its process has ended."""
    endpoint = Endpoint.read(places.endpoint_file)
    if endpoint is None or not psutil.pid_exists(endpoint.pid):
        return
    subprocess.run([SAMOVAR, "down"], capture_output=True, check=False)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(endpoint.pid).wait(DEADLINE)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, looking every 2 ms."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {DEADLINE:g} s in vain until {what}")
        time.sleep(0.002)


def http_answers(places: Places) -> bool:
    """Whether the local server of `places` answers."""
    endpoint = Endpoint.read(places.endpoint_file)
    return endpoint is not None and bool(endpoint.http) and answers(urlsplit(endpoint.http[0]).netloc)


def answers(address: str) -> bool:
    """Whether `/health` at `address`, a host and port, says that all is well; a bare socket costs next to nothing."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1) as connection:
            connection.sendall(f"GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
