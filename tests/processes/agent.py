"""The real agent as a process, in a home of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import samovar
from samovar.requests import Chat, Import, Message, Progress, Sampling, Text
from samovar_protocol import Endpoint, Places
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta

PATIENCE = 30.0
"""Seconds that a condition may take before a test gives up; generous, because it is no measurement."""

SAMOVAR = str(Path(sys.executable).with_name("samovar"))


class AgentProcess:
    """A home, the agent that runs for it, and the command line that talks to it.

    - home: an empty folder. - environ: beside SAMOVAR_HOME, SAMOVAR_PORT=0 for any free port, no models of other
    programs and no hub.
    """

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.places = Places.find({"SAMOVAR_HOME": str(home)})
        self.environ = {
            **os.environ,
            "SAMOVAR_HOME": str(home),
            "SAMOVAR_PORT": "0",
            "SAMOVAR_DISCOVER": "false",  # this machine's own models are nobody's business here
            "HF_ENDPOINT": "http://127.0.0.1:9",  # and neither is the real hub
            **environ,
        }

    @property
    def endpoint(self) -> Endpoint:
        endpoint = Endpoint.read(self.places.endpoint_file)
        assert endpoint is not None, "the agent is not up"
        return endpoint

    @property
    def url(self) -> str:
        return self.endpoint.http[0]

    def cli(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `samovar …` to its end."""
        return subprocess.run(
            [SAMOVAR, *arguments],
            env=self.environ,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def is_up(self) -> bool:
        endpoint = Endpoint.read(self.places.endpoint_file)
        return endpoint is not None and psutil.pid_exists(endpoint.pid)

    def up(self) -> "AgentProcess":
        run = self.cli("up", "--no-tray")
        assert run.returncode == 0, run.stdout + run.stderr + self.logs()
        return self

    def spawn(self) -> subprocess.Popen[bytes]:
        """The agent as this process's own child, not yet waited for."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "samovar_agent", "--no-tray"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def json(self, *arguments: str) -> Any:
        run = self.cli(*arguments, "--json")
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)

    def client(self) -> samovar.Client:
        return samovar.connect(home=self.home)

    def process(self) -> psutil.Process:
        return psutil.Process(self.endpoint.pid)

    def workers(self) -> list[psutil.Process]:
        return self._children("samovar_agent.engine.worker")

    def readers(self) -> list[psutil.Process]:
        """What reads documents."""
        return self._children("samovar_agent.documents.extraction.worker")

    def _children(self, module: str) -> list[psutil.Process]:
        found = []
        for child in self.process().children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if module in child.cmdline():
                    found.append(child)
        return found

    def kill(self) -> None:
        """End the agent as a crash does."""
        process = self.process()
        process.send_signal(signal.SIGKILL)
        until(lambda: not alive(process))

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.places.logs.glob("*.log")))

    def stop(self) -> None:
        """Stop the agent where one runs, and remove the home."""
        if self.is_up():
            process = self.process()
            process.terminate()
            try:
                until(lambda: not alive(process))
            except TimeoutError:
                process.kill()
                raise
        shutil.rmtree(self.home, ignore_errors=True)


def alive(process: psutil.Process) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"in vain, for {seconds:g} s")
        time.sleep(0.01)


async def soon(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for a condition without stopping the loop, with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def import_model(client: samovar.Client, path: Path) -> str:
    """Use a GGUF file where it lies; the model's key."""
    async with client.stream(Import(path=str(path), mode="link")) as stream:
        async for _ in stream:
            pass
    return stream.reply.model.key


def endless(model: str | None = None) -> Chat:
    """A chat that goes on until it is stopped, or until the context is full, which takes half a minute."""
    return Chat(
        model=model,
        messages=[Message(role="user", content="Count.")],
        sampling=Sampling(temperature=0, ignore_eos=True, max_tokens=6000),
    )


def short(model: str | None = None) -> Chat:
    """A chat of a few tokens."""
    return Chat(
        model=model,
        messages=[Message(role="user", content="Say hello.")],
        sampling=Sampling(temperature=0, max_tokens=4),
    )


async def first_text(stream: samovar.Stream[AnyDelta | Progress, ChatReply]) -> Text:
    """The first piece of text, after any loading."""
    async for piece in stream:
        if isinstance(piece, Text):
            return piece
    raise AssertionError("the reply has no text")


async def reply_to(client: samovar.Client, chat: Chat) -> str:
    """The whole reply, without looking at its pieces."""
    return (await client.call(chat)).text
