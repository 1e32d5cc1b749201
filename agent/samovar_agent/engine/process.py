"""The default runtime as the agent sees it: a worker process, its two pipes, and what happens when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar, assert_never

from samovar_agent.engine.interface import (
    Detokenized,
    Embedded,
    Embedding,
    Finding,
    Finished,
    Generation,
    Loaded,
    LoadOptions,
    Output,
    Question,
    Ranked,
    Ranking,
    RenderedPrompt,
    Started,
    Tokenized,
)
from samovar_agent.engine.machine import is_stopped, processor_seconds
from samovar_agent.engine.wire import (
    Alive,
    Answer,
    Answered,
    Ask,
    Began,
    BrokenStreamError,
    CacheChanged,
    Cancel,
    Command,
    Done,
    Embed,
    Failed,
    FrameDecoder,
    Generate,
    Hello,
    Load,
    LoadFailed,
    Loading,
    Piece,
    Rank,
    Reading,
    Unload,
    answer_decoder,
    encode,
    joined,
)
from samovar_agent.engine.worker_log import WorkerLog
from samovar_agent.platforms import keep_child
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

log = logging.getLogger("samovar.engine")
R = TypeVar("R")
# -P: a `queue.py` in the folder that the agent happens to run in must not be taken for Python's own.
WORKER_COMMAND = (sys.executable, "-P", "-m", "samovar_agent.engine.worker")
_READ_BYTES = 65536
_KILLED = -9
"""SIGKILL's return code; Windows has no such signal."""
_LINGER_SECONDS = 1.0
"""After its pipe closed, a process gets so long to end by itself before it is killed."""
_TERMINATION_SHARE = 1 / 3
"""Of the patience with an orderly end, in which snapshots are written; a worker that was told to go writes nothing."""
_BUSY_FACTOR = 10
"""A silent worker that computes gets so much longer than one that takes no processor time. One step of 512 tokens is
silent: 3 s for a model of 0.1 billion parameters on two slow cores, but 90 s for 8 billion."""
_WATCH_MOST_SECONDS = 5.0
_STOPPED = "stopped answering"


class WorkerEngine:
    """An `Engine` in a process of its own.

    - command: starts a worker. - log: takes its standard error. - patience: seconds for an orderly end, and a third of
    it for a termination, before the next harder way to stop. - hang_seconds: a worker with work that says nothing and
    takes no processor time for so long is killed; 0 never. - on_cache: told of what the worker remembers and forgets.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: WorkerLog,
        *,
        patience: float = 6.0,
        hang_seconds: float = 0.0,
        on_cache: Callable[[CacheChanged], None] = lambda change: None,
    ) -> None:
        self._command, self._log, self._patience = tuple(command), log, patience
        self._hang_seconds, self._on_cache = hang_seconds, on_cache
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._decoder: FrameDecoder[Answer] | None = answer_decoder()
        self._ids = itertools.count(1)
        self._streams: dict[int, _Stream] = {}
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._end: SamovarError | None = None
        self._on_progress: Callable[[float], None] = _ignore
        self._broken = ""
        self._heard = False
        self._watch: asyncio.Task[None] | None = None
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
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.subprocess_exec(
                lambda: _Pipes(loop, self._receive),
                *self._command,
                env={**os.environ, "SAMOVAR_WORKER_PARENT": str(os.getpid())},
            )
            self._process = asyncio.subprocess.Process(transport, protocol, loop)
        except OSError as error:
            raise SamovarError(
                FailureCode.LOAD_FAILED,
                f"The engine's process could not be started: {error.strerror or error}.",
                hint="Install Samovar again.",
            ) from error
        keep_child(self._process.pid)
        if self._broken:  # by its very first words
            _signal(self._process.kill)
        errors = asyncio.create_task(self._read_errors(self._process))
        self._tasks = [errors, asyncio.create_task(self._see_the_end(self._process, errors))]
        await self._hello

    async def load(self, options: LoadOptions, on_progress: Callable[[float], None]) -> Loaded:
        """Load the model; raises `load_failed` or `model_unsupported`."""
        self._on_progress = on_progress
        self._send(Load(options))
        return await self._loaded

    async def generate(self, generation: Generation) -> AsyncGenerator[Output, None]:
        """Compute a reply; closing the generator stops the work within one decode step."""
        async with contextlib.aclosing(self._ask(lambda id_: Generate(id_, generation))) as items:
            async for item in items:
                match item:
                    case Began(_, prompt_tokens, cached_tokens):
                        yield Started(prompt_tokens=prompt_tokens, cached_tokens=cached_tokens)
                    case Piece(_, delta):
                        yield delta
                    case Finished():
                        yield item
                    case Reading(_, progress):
                        yield Progress(stage="reading", done=progress, total=1, unit="ratio")
                    case _:
                        raise AssertionError(f"{item!r} answers no generation")

    async def embed(self, embedding: Embedding) -> Embedded:
        """Compute vectors; cancelling stops the work."""
        async with contextlib.aclosing(self._ask(lambda id_: Embed(id_, embedding))) as items:
            async for item in items:
                if isinstance(item, Embedded):
                    return item
        raise AssertionError("a request ends with its answer or raises")

    async def rank(self, ranking: Ranking) -> Ranked:
        """Compute scores; cancelling stops the work."""
        async with contextlib.aclosing(self._ask(lambda id_: Rank(id_, ranking))) as items:
            async for item in items:
                if isinstance(item, Ranked):
                    return item
        raise AssertionError("a request ends with its answer or raises")

    async def ask(self, question: Question) -> Finding:
        """Tokens of texts, texts of tokens, or a prompt."""
        async with contextlib.aclosing(self._ask(lambda id_: Ask(id_, question))) as items:
            async for item in items:
                if isinstance(item, Tokenized | Detokenized | RenderedPrompt):
                    return item
        raise AssertionError("a request ends with its answer or raises")

    async def _ask(self, command: Callable[[int], Command]) -> AsyncGenerator[_Item, None]:
        """The answers to one request, its end included; a failure is raised. Leaving early cancels it."""
        if self._end is not None:
            raise self._end
        id_ = next(self._ids)
        if not self._streams:
            self._heard = True  # its time begins now
        stream = self._streams[id_] = _Stream()
        self._begin_to_watch()
        complete = False
        try:
            self._send(command(id_))
            while not complete:
                item = await stream.get()
                complete = not isinstance(item, Piece | Began | Reading)
                if isinstance(item, SamovarError):
                    raise item
                yield item
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
        if is_stopped(process.pid):  # it hears nothing
            _signal(process.kill)
        for harder, patience in (
            (process.terminate, self._patience),
            (process.kill, self._patience * _TERMINATION_SHARE),
        ):
            if await self._exited(process, patience):
                break
            _signal(harder)
        await process.wait()
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self, command: Command) -> None:
        frame = encode(command)
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None and not pipe.is_closing() and not self._ended.is_set():
            pipe.write(frame)  # never waits: the worker has a thread that does nothing but read

    def _begin_to_watch(self) -> None:
        if self._hang_seconds and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(self._watch_over())

    async def _watch_over(self) -> None:
        """While there is work, look whether the worker still does any; kill it where it does not."""
        pause = min(_WATCH_MOST_SECONDS, self._hang_seconds / 5)
        silent = idle = 0.0
        computed = processor_seconds(self.pid)
        while self._streams and not self._ended.is_set():
            began = time.monotonic()
            await asyncio.sleep(pause)
            passed = min(time.monotonic() - began, 2 * pause)  # where it was longer, the whole machine slept
            used, before = processor_seconds(self.pid), computed
            computed = used
            if self._heard:
                self._heard = False
                silent = idle = 0.0
                continue
            silent += passed
            idle = idle + passed if used <= before else 0.0
            if idle >= self._hang_seconds or silent >= self._hang_seconds * _BUSY_FACTOR:
                self._broken = f"{_STOPPED}: it had work and said nothing for {silent:.0f} s"
                log.warning("worker %s %s; it is killed", self.pid, self._broken)
                if self._process is not None:
                    _signal(self._process.kill)
                return

    def _receive(self, data: bytes) -> None:
        if self._decoder is None:
            return
        try:
            for answer in self._decoder.feed(data):
                self._take(answer)
        except BrokenStreamError as error:
            self._decoder = None  # nothing behind it can be told apart
            self._broken = f"sent something that is no message ({error})"
            if self._process is not None:
                _signal(self._process.kill)

    async def _see_the_end(self, process: asyncio.subprocess.Process, errors: asyncio.Task[None]) -> None:
        assert process.stdout is not None
        await process.stdout.read()  # the answers do not go there, only their end
        if not await self._exited(process, _LINGER_SECONDS):
            _signal(process.kill)
        code = await process.wait()
        await asyncio.wait([errors], timeout=_LINGER_SECONDS)  # its last words; a grandchild may hold the pipe open
        errors.cancel()
        loading = not self._loaded.done()
        self._end = self._end or _crashed(self._broken, code, self._log, loading=loading)
        self._ended.set()  # before the streams: who sends a failed request again must find a new worker
        self._fail(self._end)

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(_READ_BYTES):
            self._log.feed(data)
        self._log.finish()

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Piece):  # by far the most frequent
            self._heard = True
            self._put(answer.id, answer)
            return
        match answer:
            case Failed() | Answered(_, Tokenized() | Detokenized() | RenderedPrompt()):
                pass  # comes from beside the loop that computes, and says nothing about it
            case _:
                self._heard = True
        match answer:
            case Hello():
                _resolve(self._hello, None)
            case Loading(progress):
                self._on_progress(progress)
            case Loaded():
                _resolve(self._loaded, answer)
            case LoadFailed(failure):
                _reject(self._loaded, SamovarError.of(failure))
            case Alive():
                pass
            case CacheChanged():
                self._on_cache(answer)
            case Began(id_) | Reading(id_):
                self._put(id_, answer)
            case Done(id_, result) | Answered(id_, result):
                self._put(id_, result)
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
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            return False
        return True


class _Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """A process's pipes as asyncio's streams, but for what it answers, which is taken as soon as it is read.

    By way of a stream and a task that reads it, each piece of a reply would wait for another turn of the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[bytes], None]) -> None:
        super().__init__(limit=_READ_BYTES, loop=loop)
        self._receive = receive

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if fd == 1:
            assert isinstance(data, bytes)
            self._receive(data)
        else:
            super().pipe_data_received(fd, data)


_Item = Began | Reading | Piece | Finished | Embedded | Ranked | Finding | SamovarError


class _Stream:
    """One request's answers. Pieces that nobody fetched yet grow together."""

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._filled = asyncio.Event()

    def put(self, item: _Item) -> None:
        last = self._items[-1] if self._items else None
        if isinstance(item, Piece) and isinstance(last, Piece) and (both := joined(last, item)):
            self._items[-1] = both
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


def _crashed(broken: str, code: int, log: WorkerLog, *, loading: bool) -> SamovarError:
    """The failure of whoever needed a worker that ended. - broken: why we ended it, where we did.

    Killed from outside (or for memory), it had no time for last words; its last line then means nothing.
    """
    killed = bool(broken) or code in (-signal.SIGTERM, _KILLED)
    last = "" if killed or not log.last_line else f" Its last words: {log.last_line[:300]}"
    during = " while it loaded the model" if loading else ""
    hint = f"Try again; its log is {log.path}."
    if broken.startswith(_STOPPED):
        hint = "Try again; a new one takes its place. Where a step takes that long here, raise engine.hang_seconds."
    elif killed and not broken and code == _KILLED:
        hint = "Try again; the machine may be short of memory."
    return SamovarError(
        FailureCode.LOAD_FAILED if loading else FailureCode.WORKER_CRASHED,
        f"The engine's process {broken or _how(code)}{during}.{last}",
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
