"""The asynchronous client: typed requests over the agent's control socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import msgspec
import zmq

from samovar._launch import running_agent, start_agent
from samovar._socket import LoopSocket
from samovar_protocol import Endpoint, FailureCode, SamovarError
from samovar_protocol.requests import Cancel, Chat, Hello, Load, Request, StreamRequest, chunk_type, reply_type
from samovar_protocol.values import Message, Progress, Sampling, Text
from samovar_protocol.wire import (
    AnswerMessage,
    ChunkMessage,
    DoneMessage,
    EventMessage,
    FailedMessage,
    decode_answer,
    decode_body,
    decode_event,
    encode_request,
)

R = TypeVar("R")
C = TypeVar("C")
Answer = AnswerMessage | SamovarError
Taker = Callable[[Answer], None]
"""Gets every answer to one request, and the error where the connection ends before the last."""

_CONNECT_TIMEOUT = 10.0


def connect(
    *,
    start: bool = False,
    timeout: float = _CONNECT_TIMEOUT,
    on_start: Callable[[], None] | None = None,
    name: str = "samovar-python",
    home: Path | None = None,
) -> Client:
    """A client of this user's agent, to be entered with `async with`.

        async with samovar.connect() as client:
            status = await client.call(Status())

    - start: start the agent where none runs; `on_start` is called before. - timeout: seconds for the handshake.
    - name: for the agent's log. - home: another `SAMOVAR_HOME` than this process's own.
    Entering raises `agent_not_running` or `unsupported_version`.
    """
    return Client(start=start, timeout=timeout, on_start=on_start, name=name, home=home)


class Client:
    """A connection to the agent. Made by `connect`; any number of requests may run on it at once."""

    def __init__(
        self, *, start: bool, timeout: float, on_start: Callable[[], None] | None, name: str, home: Path | None
    ) -> None:
        self._start = start
        self._timeout = timeout
        self._on_start = on_start
        self._name = name
        self._home = home
        # Random, because an event names the request that caused it and every client sees every event.
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, Taker] = {}
        self._events: set[Events] = set()
        self._endpoint: Endpoint | None = None
        self._context: zmq.Context[Any] | None = None
        self._socket: LoopSocket | None = None

    async def __aenter__(self) -> Client:
        endpoint = await asyncio.to_thread(self._find)
        self._endpoint = endpoint
        self._context = zmq.Context()
        try:
            self._socket = LoopSocket(
                self._context, zmq.DEALER, endpoint.control, endpoint, on_message=self._receive, on_lost=self._lost
            )
            async with asyncio.timeout(self._timeout):
                await self.call(Hello(client=f"{self._name} pid {os.getpid()}"))
        except TimeoutError:
            self._close()
            raise _not_running(f"The agent did not answer within {self._timeout:g} seconds.") from None
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def endpoint(self) -> Endpoint:
        """How this client reached the agent: addresses, process, release."""
        if self._endpoint is None:
            raise RuntimeError("enter the client first: `async with samovar.connect() as client`")
        return self._endpoint

    async def call(self, request: Request[R]) -> R:
        """Ask and wait for the answer; raises `SamovarError`. Cancelling the wait cancels the work in the agent.

        reply = await client.call(Ls())
        """
        final: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def take(answer: Answer) -> None:
            if not isinstance(answer, ChunkMessage) and not final.done():
                final.set_result(answer)

        request_id = self._send(request, take)
        try:
            return _reply(await final, request)
        finally:
            self._forget(request_id, cancel=not final.done() or final.cancelled())

    def stream(self, request: StreamRequest[C, R]) -> Stream[C, R]:
        """Ask for a streamed answer, to be entered with `async with`; leaving early cancels the work in the agent.

        async with client.stream(Load(name="smollm2-135m")) as stream:
            async for progress in stream:
                print(progress)
        print(stream.reply.instance)
        """
        return Stream(self, request)

    def events(self) -> Events:
        """Everything the agent tells, from now on, to be entered with `async with`; ends when the agent goes away.

        async with client.events() as events:
            async for message in events:
                print(message.sequence, message.event)
        """
        return Events(self)

    async def chat(
        self, prompt: str, *, model: str | None = None, system: str | None = None, sampling: Sampling | None = None
    ) -> AsyncIterator[str]:
        """The reply to one prompt, piece by piece; `stream(Chat(…))` has load progress and statistics too.

        async for text in client.chat("Why is the sky blue?"):
            print(text, end="")
        """
        messages = [Message(role="system", content=system)] if system else []
        messages.append(Message(role="user", content=prompt))
        async with self.stream(Chat(model=model, messages=messages, sampling=sampling or Sampling())) as stream:
            async for piece in stream:
                if isinstance(piece, Text):
                    yield piece.text

    async def load(self, name: str, *, on_progress: Callable[[Progress], None] = lambda _: None) -> str:
        """Bring a model into memory with default options; the identifier of its instance."""
        async with self.stream(Load(name=name)) as stream:
            async for progress in stream:
                on_progress(progress)
        instance = stream.reply.instance
        assert instance is not None  # only estimates come without one
        return instance.identifier

    def _find(self) -> Endpoint:
        endpoint = running_agent(self._home)
        if endpoint is not None:
            return endpoint
        if not self._start:
            raise _not_running("No Samovar agent is running.")
        if self._on_start is not None:
            self._on_start()
        return start_agent(home=self._home)

    def _send(self, request: Request[Any], take: Taker) -> str:
        if self._socket is None:
            raise _not_running("The connection to the agent is closed.")
        request_id = f"{self._prefix}-{next(self._numbers)}"
        frame = encode_request(request_id, request)
        self._waiting[request_id] = take
        self._socket.send(frame)
        return request_id

    def _forget(self, request_id: str, *, cancel: bool) -> None:
        if self._waiting.pop(request_id, None) is not None and cancel:
            self._cancel(request_id)

    def _cancel(self, request_id: str) -> None:
        if self._socket is not None:
            self._socket.send(encode_request(f"{self._prefix}-{next(self._numbers)}", Cancel(target=request_id)))

    def _receive(self, frames: list[bytes]) -> None:
        with contextlib.suppress(SamovarError):  # something newer than this client; nobody here waits for it
            answer = decode_answer(frames[-1])
            if answer.id in self._waiting:
                self._waiting[answer.id](answer)

    def _lost(self) -> None:
        self._close(_not_running("The agent went away."))

    def _close(self, error: SamovarError | None = None) -> None:
        for events in tuple(self._events):
            events._end()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._context is not None:
            self._context.destroy(0)
            self._context = None
        for take in tuple(self._waiting.values()):
            take(error or _not_running("The connection to the agent is closed."))


class Stream(Generic[C, R]):
    """A streamed answer: iterate for the chunks, then read `reply`."""

    def __init__(self, client: Client, request: StreamRequest[C, R]) -> None:
        self._client = client
        self._request = request
        self._chunk_type = chunk_type(request)
        self._id = ""
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._reply: R | None = None
        self._finished = False

    async def __aenter__(self) -> Stream[C, R]:
        self._id = self._client._send(self._request, self._answers.put_nowait)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client._forget(self._id, cancel=not self._finished)

    def __aiter__(self) -> Stream[C, R]:
        return self

    async def __anext__(self) -> C:
        if self._finished:
            raise StopAsyncIteration
        answer = await self._answers.get()
        if isinstance(answer, ChunkMessage):
            return decode_body(answer.chunk, self._chunk_type)
        self._finished = True
        self._reply = _reply(answer, self._request)
        raise StopAsyncIteration

    @property
    def reply(self) -> R:
        """The final answer; there once the iteration has ended."""
        if self._reply is None:
            raise RuntimeError("the stream has not ended: iterate over it first")
        return self._reply

    def cancel(self) -> None:
        """Stop the work; the iteration then raises the failure `cancelled`."""
        self._client._cancel(self._id)


class Events:
    """The agent's events, in order. A gap in `sequence` means that this client was too slow: ask `Status` again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._socket: LoopSocket | None = None
        self._messages: asyncio.Queue[EventMessage | None] = asyncio.Queue()
        self._active = asyncio.Event()

    async def __aenter__(self) -> Events:
        context = self._client._context
        if context is None:
            raise _not_running("The connection to the agent is closed.")
        endpoint = self._client.endpoint
        self._socket = LoopSocket(
            context, zmq.SUB, endpoint.events, endpoint, on_message=self._receive, on_lost=self._end
        )
        self._client._events.add(self)
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await self._active.wait()
        except TimeoutError:
            self._end()
            raise _not_running("The agent does not send events.") from None
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> EventMessage:
        message = await self._messages.get()
        if message is None:
            raise StopAsyncIteration
        return message

    def _receive(self, frames: list[bytes]) -> None:
        # The agent greets every new subscription: from here on nothing is missed.
        self._active.set()
        message = decode_event(frames)
        if message is not None and frames[0] != b"subscribed":
            self._messages.put_nowait(message)

    def _end(self) -> None:
        self._client._events.discard(self)
        if self._socket is not None:
            self._socket.close()
        self._active.set()
        self._messages.put_nowait(None)


def _reply(answer: AnswerMessage | SamovarError, request: Request[R]) -> R:
    match answer:
        case SamovarError():
            raise answer
        case FailedMessage(failure=failure):
            raise SamovarError.of(failure)
        case DoneMessage(reply=reply):
            return decode_body(reply, reply_type(request))
        case _:
            raise TypeError(f"not a final answer: {msgspec.to_builtins(answer)}")


def _not_running(message: str) -> SamovarError:
    return SamovarError(FailureCode.AGENT_NOT_RUNNING, message, hint="Start it with `samovar up`.")
