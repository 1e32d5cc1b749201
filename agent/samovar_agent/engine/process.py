"""The default runtime as the agent sees it: a worker process, its two pipes, and what happens when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar, assert_never

from samovar_agent.engine.interface import Finished, Generation, Loaded, LoadOptions, Output, Started
from samovar_agent.engine.wire import (
    Answer,
    Began,
    BrokenStreamError,
    Cancel,
    Command,
    Done,
    Failed,
    Generate,
    Hello,
    Load,
    LoadFailed,
    Loading,
    Piece,
    Unload,
    answer_decoder,
    encode,
)
from samovar_agent.engine.worker_log import WorkerLog
from samovar_agent.platforms import keep_child
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Text

R = TypeVar("R")
# -P: a `queue.py` in the folder that the agent happens to run in must not be taken for Python's own.
WORKER_COMMAND = (sys.executable, "-P", "-m", "samovar_agent.engine.worker")
_READ_BYTES = 65536
_KILLED = -9
"""SIGKILL's return code; Windows has no such signal."""
_LINGER_SECONDS = 1.0
"""After its pipe closed, a process gets so long to end by itself before it is killed."""


class WorkerEngine:
    """An `Engine` in a process of its own.

    - command: starts a worker. - log: takes its standard error. - patience: seconds for each of an orderly end and a
    termination before the next harder way to stop.
    """

    def __init__(self, command: Sequence[str], log: WorkerLog, *, patience: float = 3.0) -> None:
        self._command, self._log, self._patience = tuple(command), log, patience
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ids = itertools.count(1)
        self._streams: dict[int, _Stream] = {}
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._end: SamovarError | None = None
        self._on_progress: Callable[[float], None] = _ignore
        self._broken = ""
        for future in (self._hello, self._loaded):
            future.add_done_callback(_retrieve)  # not every failure has somebody who waits for it

    @property
    def pid(self) -> int | None:
        """The worker's process."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process and wait for its hello; raises `load_failed`."""
        # How long OpenMP's threads spin at a barrier is left as it comes: nothing else was better both on a quiet
        # machine and beside one busy loop. SmolLM2-135M, 2 threads on 2 cores, 100 and 24 tokens/s as it comes:
        # OMP_WAIT_POLICY=passive 0.5 and 1.8 times, GOMP_SPINCOUNT=1000 0.97 and 1.1 times, 2000 0.98 and 0.83.
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "SAMOVAR_WORKER_PARENT": str(os.getpid())},
            )
        except OSError as error:
            raise SamovarError(
                FailureCode.LOAD_FAILED,
                f"The engine's process could not be started: {error.strerror or error}.",
                hint="Install Samovar again.",
            ) from error
        keep_child(self._process.pid)
        errors = asyncio.create_task(self._read_errors(self._process))
        self._tasks = [errors, asyncio.create_task(self._read_answers(self._process, errors))]
        await self._hello

    async def load(self, options: LoadOptions, on_progress: Callable[[float], None]) -> Loaded:
        """Load the model; raises `load_failed` or `model_unsupported`."""
        self._on_progress = on_progress
        self._send(Load(options))
        return await self._loaded

    async def generate(self, generation: Generation) -> AsyncGenerator[Output, None]:
        """Compute a reply; closing the generator stops the work within one decode step."""
        if self._end is not None:
            raise self._end
        id_ = next(self._ids)
        stream = self._streams[id_] = _Stream()
        complete = False
        try:
            self._send(Generate(id_, generation))
            while not complete:
                item = await stream.get()
                match item:
                    case Began():
                        yield Started()
                    case Piece(_, text, tokens):
                        yield Text(text=text, tokens=tokens)
                    case Finished():
                        complete = True
                        yield item
                    case SamovarError():
                        complete = True
                        raise item
                    case _:
                        assert_never(item)
        finally:
            del self._streams[id_]
            if not complete:
                self._send(Cancel(id_))

    async def ended(self) -> SamovarError:
        """Wait until the process is gone; says why."""
        await self._ended.wait()
        assert self._end is not None
        return self._end

    async def close(self, reason: SamovarError) -> None:
        """End all work with `reason` and the process too: asked, then told, then killed."""
        self._end = self._end or reason
        self._fail(reason)
        process = self._process
        if process is None:
            return
        self._send(Unload())
        for harder in (process.terminate, process.kill):
            if await self._exited(process, self._patience):
                break
            _signal(harder)
        await process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self, command: Command) -> None:
        frame = encode(command)
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None and not pipe.is_closing() and not self._ended.is_set():
            pipe.write(frame)  # never waits: the worker has a thread that does nothing but read

    async def _read_answers(self, process: asyncio.subprocess.Process, errors: asyncio.Task[None]) -> None:
        assert process.stdout is not None
        decoder = answer_decoder()
        try:
            while data := await process.stdout.read(_READ_BYTES):
                for answer in decoder.feed(data):
                    self._take(answer)
        except BrokenStreamError as error:
            self._broken = f"sent something that is no message ({error})"
            _signal(process.kill)
        if not await self._exited(process, _LINGER_SECONDS):
            _signal(process.kill)
        code = await process.wait()
        await asyncio.wait([errors], timeout=_LINGER_SECONDS)  # its last words; a grandchild may hold the pipe open
        errors.cancel()
        loading = not self._loaded.done()
        self._end = self._end or _crashed(self._broken or _how(code), code, self._log, loading=loading)
        self._ended.set()  # before the streams: who sends a failed request again must find a new worker
        self._fail(self._end)

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(_READ_BYTES):
            self._log.feed(data)
        self._log.finish()

    def _take(self, answer: Answer) -> None:
        match answer:
            case Hello():
                _resolve(self._hello, None)
            case Loading(progress):
                self._on_progress(progress)
            case Loaded():
                _resolve(self._loaded, answer)
            case LoadFailed(failure):
                _reject(self._loaded, SamovarError.of(failure))
            case Began(id_) | Piece(id_):
                self._put(id_, answer)
            case Done(id_, finished):
                self._put(id_, finished)
            case Failed(id_, failure):
                self._put(id_, SamovarError.of(failure))
            case _:
                assert_never(answer)

    def _put(self, id_: int, item: _Item) -> None:
        if stream := self._streams.get(id_):  # answers to cancelled requests may still be on their way
            stream.put(item)

    def _fail(self, error: SamovarError) -> None:
        """Give everybody who waits the same error."""
        for future in (self._hello, self._loaded):
            _reject(future, error)
        for stream in self._streams.values():
            stream.put(error)

    @staticmethod
    async def _exited(process: asyncio.subprocess.Process, seconds: float) -> bool:
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            return False
        return True


_Item = Began | Piece | Finished | SamovarError


class _Stream:
    """One request's answers. Pieces that nobody fetched yet grow together."""

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._filled = asyncio.Event()

    def put(self, item: _Item) -> None:
        last = self._items[-1] if self._items else None
        if isinstance(item, Piece) and isinstance(last, Piece):
            self._items[-1] = Piece(item.id, last.text + item.text, last.tokens + item.tokens)
        else:
            self._items.append(item)
        self._filled.set()

    async def get(self) -> _Item:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may end by itself in this very moment
        send()


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _crashed(message: str, code: int, log: WorkerLog, *, loading: bool) -> SamovarError:
    """The failure of whoever needed a worker that ended.

    Killed from outside (or for memory), it had no time for last words; its last line then means nothing.
    """
    killed = code in (-signal.SIGTERM, _KILLED)
    last = "" if killed or not log.last_line else f" Its last words: {log.last_line[:300]}"
    during = " while it loaded the model" if loading else ""
    hint = "Try again; the machine may be short of memory." if code == _KILLED else f"Try again; its log is {log.path}."
    return SamovarError(
        FailureCode.LOAD_FAILED if loading else FailureCode.WORKER_CRASHED,
        f"The engine's process {message}{during}.{last}",
        hint=hint,
    )


def _resolve(future: asyncio.Future[R], result: R) -> None:
    if not future.done():
        future.set_result(result)


def _reject(future: asyncio.Future[Any], error: SamovarError) -> None:
    if not future.done():
        future.set_exception(error)


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _ignore(progress: float) -> None: ...
