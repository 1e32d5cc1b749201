"""An agent in a few lines: answers requests from a table, remembers them, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from click.testing import CliRunner, Result

from samovar.cli import output
from samovar.cli.main import cli
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, StatusReply
from samovar_protocol.requests import Chat, Status
from samovar_protocol.values import HttpInfo, InstanceInfo, ModelInfo, NetworkInfo, Stats, Text
from samovar_protocol.wire import decode_message, decode_request, encode_request

SMOLLM = ModelInfo(
    key="smollm2/smollm2-135m-instruct",
    name="smollm2-135m-instruct",
    publisher="smollm2",
    path="/models/smollm2.gguf",
    size_bytes=98_400_000,
    architecture="llama",
    parameters=134_515_008,
    quantization="Q4_1",
    context_length=8192,
    capabilities=["chat"],
    added_at=1.0,
)
INSTANCE = InstanceInfo(
    identifier="smol", model=SMOLLM.key, state="ready", context_length=8192, memory_bytes=180_000_000, loaded_at=1.0
)
STATUS = StatusReply(
    version="0.1.0",
    pid=4242,
    started_at=0.0,
    home="/home/me/.local/share/samovar",
    memory_bytes=61_000_000,
    http=HttpInfo(urls=["http://127.0.0.1:7266"]),
    network=NetworkInfo(policy="online", connected=True),
    models=1,
    instances=[INSTANCE],
    sequence=7,
)
ANSWER = ChatReply(
    model="smol",
    text="Paris.",
    finish_reason="stop",
    stats=Stats(
        prompt_tokens=20,
        cached_tokens=12,
        completion_tokens=3,
        prompt_seconds=0.25,
        decode_seconds=0.04,
        load_seconds=0.5,
    ),
)
HANG = object()
"""In place of an answer: press Ctrl-C, and never answer."""


class FakeAgent:
    """`replies[type]` is a reply, a failure, HANG, or a function of the request; `chunks[type]` comes before it."""

    def __init__(self) -> None:
        self.running = True
        self.replies: dict[type[Any], Any] = {Status: STATUS, Chat: ANSWER}
        self.chunks: dict[type[Any], list[Any]] = {Chat: [Text(text="Par"), Text(text="is.")]}
        self.requests: list[Any] = []
        self.starts = 0
        self.cancelled = 0
        self.timeout: float | None = None

    @asynccontextmanager
    async def open_client(self, *, start: bool, timeout: float = 10.0) -> AsyncIterator[FakeClient]:
        """Stands for `samovar.cli.session.open_client`."""
        self.timeout = timeout
        if not self.running:
            if not start:
                raise SamovarError(
                    FailureCode.AGENT_NOT_RUNNING, "No Samovar agent is running.", hint="Start it with `samovar up`."
                )
            self.start()
            output.note("Starting the agent…")
        yield FakeClient(self)

    def start(self, *, tray: bool = True) -> None:
        """Stands for `samovar.cli.up.start_agent`."""
        self.running = True
        self.starts += 1

    async def answer(self, request: Any) -> Any:
        reply = self.replies[type(request)]
        if isinstance(reply, Callable):  # type: ignore[arg-type]
            reply = reply(request)
        if isinstance(reply, Exception):
            raise reply
        if reply is HANG:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        return reply


class FakeClient:
    def __init__(self, agent: FakeAgent) -> None:
        self._agent = agent

    async def call(self, request: Any) -> Any:
        self._agent.requests.append(_sent(request))
        return await self._agent.answer(request)

    def stream(self, request: Any) -> FakeStream:
        self._agent.requests.append(_sent(request))
        return FakeStream(self._agent, request)


def _sent(request: Any) -> Any:
    """The request as an agent receives it; raises `bad_request` where one would."""
    return decode_request(decode_message(encode_request("1", request)))


class FakeStream:
    def __init__(self, agent: FakeAgent, request: Any) -> None:
        self._agent, self._request = agent, request
        self._chunks = iter(agent.chunks.get(type(request), []))
        self.reply: Any = None

    async def __aenter__(self) -> FakeStream:
        return self

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._agent.cancelled += 1

    def __aiter__(self) -> FakeStream:
        return self

    async def __anext__(self) -> Any:
        for chunk in self._chunks:
            await asyncio.sleep(0)
            return chunk
        self.reply = await self._agent.answer(self._request)
        raise StopAsyncIteration


def samovar(*arguments: str, stdin: str | bytes = "") -> Result:
    """Run a command line in this process, with stdin, stdout and stderr not being terminals."""
    result = CliRunner().invoke(cli, list(arguments), input=stdin, prog_name="samovar")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def document(result: Result) -> Any:
    """The one JSON document that stdout must be, ending in a line break."""
    assert result.stdout.endswith("}\n"), result.output
    return json.loads(result.stdout)


def failure(code: str, message: str = "It did not work.", hint: str = "Try this.") -> SamovarError:
    return SamovarError(code, message, hint=hint)
