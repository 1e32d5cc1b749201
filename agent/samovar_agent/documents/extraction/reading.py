"""One process that reads files: started, asked, watched and killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.extraction import wire
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.engine.machine import resident_bytes
from samovar_agent.platforms import keep_child
from samovar_protocol import FailureCode, SamovarError

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.2
"""So often it is looked at how much memory the process takes. Its own limit is exact, but not every system has one."""
_LAST_WORDS_SECONDS = 1.0
_LAST_WORDS_BYTES = 8192
_KILLS = {-getattr(signal, "SIGKILL", 9), -signal.SIGTERM}
_OUT_OF_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc", "out of memory")
"""What Rust, Python, C++ and PDFium say on standard error before they end for want of memory."""


class Unread(Exception):
    """The process ended with a file that it had before this one; another process may well read this one."""


class Failed(Exception):
    """The process did not give an answer.

    - problem: what that means for the file that it had. - killed: somebody else ended the process, as the system does
    where memory runs out, so that it need not be the file.
    """

    def __init__(self, problem: Problem, *, killed: bool = False) -> None:
        super().__init__(problem.message)
        self.problem, self.killed = problem, killed


class KilledError(SamovarError):
    """Somebody else ended the process before it was ready; the next one may well come to that."""


class ReadingProcess:
    """A worker, its two pipes, and its last words. It reads one file after the other; several may be waiting for it.

    - files: how many it has read that leave something behind; counted by whoever has it read.
    """

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._last_words = b""
        self._errors = asyncio.create_task(self._read_errors())
        self._asked: deque[asyncio.Future[wire.Done]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._of_no_use = False
        self._unsent = b""
        self.files = 0

    @classmethod
    async def start(cls, command: Sequence[str], limits: Limits, scratch: Path) -> ReadingProcess:
        """Start it and wait until it is ready; raises `internal`, and of that `KilledError`.

        - scratch: where it keeps temporary files.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_surroundings(scratch),
            )
        except OSError as error:
            raise _not_started(error.strerror or str(error)) from error
        keep_child(process.pid)
        reading = cls(process, limits)
        try:
            reading._send(wire.Begin(limits))
            async with asyncio.timeout(_START_SECONDS):
                await reading._receive()
        except (OSError, EOFError, msgspec.MsgspecError, TimeoutError) as error:
            if not isinstance(error, TimeoutError):
                await reading._ended()
            killed = reading._was_killed
            how = _how(process.returncode) if killed else "did not answer"
            await reading.kill()
            failed = _not_started(reading._last_line() or f"it {how}")
            raise (KilledError.of(failed.failure) if killed else failed) from error
        except BaseException:
            await reading.kill()
            raise
        return reading

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it can be asked: it has not ended yet, as far as we know, and gave an answer each time."""
        return self._process.returncode is None and not self._of_no_use

    def ask(self, path: Path, cut_into: int = 0) -> asyncio.Future[wire.Done]:
        """Have it read a file after those that it was asked for before. - cut_into: see `wire.Read`.

        The result raises `Failed`, after which this process is of no more use, or `Unread`. Cancelling it has the
        process read on, so whoever does not want to wait for that kills it.
        """
        asked: asyncio.Future[wire.Done] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._send(wire.Read(os.fsencode(path), cut_into))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer())
        return asked

    async def drained(self) -> None:
        """Wait until it has nothing to read."""
        if self._answering is not None:
            await asyncio.wait([self._answering])

    async def kill(self) -> None:
        """End it now; who still waits for a file gets `Unread`."""
        self._of_no_use = True
        if self._answering is not None:
            self._answering.cancel()
        self._leave_unread()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._errors

    async def _answer(self) -> None:
        """Give everybody who asked what comes, in order, until nobody waits."""
        try:
            while self._asked:
                done = await self._watched(asyncio.create_task(self._receive()))
                asked = self._asked.popleft()
                if not asked.cancelled():
                    asked.set_result(done)
        except Failed as failed:
            self._of_no_use = True
            asked = self._asked.popleft()
            if not asked.cancelled():
                asked.set_exception(failed)
        except BaseException:
            self._of_no_use = True
            raise
        finally:
            if self._of_no_use:
                self._leave_unread()

    def _leave_unread(self) -> None:
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(Unread())

    async def _watched(self, answer: asyncio.Task[wire.Answer]) -> wire.Done:
        try:
            return await self._in_time(answer)
        finally:
            answer.cancel()

    async def _in_time(self, asked: asyncio.Task[wire.Answer]) -> wire.Done:
        limits, clock = self._limits, asyncio.get_running_loop().time
        deadline = clock() + limits.seconds
        while not (await asyncio.wait([asked], timeout=min(_LOOK_SECONDS, max(0.0, deadline - clock()))))[0]:
            if resident_bytes(self.pid) > limits.memory_bytes:
                raise Failed(_out_of_memory(limits))
            if clock() >= deadline:
                raise Failed(
                    Problem(reason="too_slow", message=f"Reading it took longer than {limits.seconds:g} seconds.")
                )
        try:
            answer = asked.result()
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            raise Failed(await self._why(), killed=self._was_killed) from error
        if not isinstance(answer, wire.Done):
            raise Failed(await self._why())
        return answer

    @property
    def _was_killed(self) -> bool:
        """Whether it ended by a signal that nobody sends to oneself."""
        return self._process.returncode in _KILLS

    async def _ended(self) -> None:
        """Wait a moment for its end, of which its pipes tell before the system does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._process.wait()

    def _send(self, command: wire.Command) -> None:
        if not self._unsent:  # what is asked for in the same moment goes out together
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += wire.encode(command)

    def _flush(self) -> None:
        assert self._process.stdin is not None
        data, self._unsent = self._unsent, b""
        self._process.stdin.write(data)

    async def _receive(self) -> wire.Answer:
        assert self._process.stdout is not None
        length = int.from_bytes(await self._process.stdout.readexactly(wire.LENGTH_BYTES), "big")
        if length > wire.MAX_MESSAGE_BYTES:
            raise EOFError(f"a message of {length:,} bytes")
        answer: wire.Answer = wire.answers.decode(await self._process.stdout.readexactly(length))
        return answer

    async def _why(self) -> Problem:
        """What it means for a file that the process ended, or sent no message, while it had that file."""
        await self._ended()
        await asyncio.wait([self._errors], timeout=_LAST_WORDS_SECONDS)
        words = self._last_words.decode("utf-8", "replace")
        if any(sign in words for sign in _OUT_OF_MEMORY):
            return _out_of_memory(self._limits)
        return Problem(
            reason="crashed",
            message=f"The program that reads documents {_how(self._process.returncode)} while it had this file.",
            hint="The file may be damaged; open it with the program that made it, and save it anew.",
        )

    def _last_line(self) -> str:
        return self._last_words.decode("utf-8", "replace").strip().rpartition("\n")[2]

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_LAST_WORDS_BYTES):
            self._last_words = (self._last_words + data)[-_LAST_WORDS_BYTES:]


def _surroundings(scratch: Path) -> dict[str, str]:
    # The library unpacks the one that reads PDF into the folder for temporary files, and loads what lies there by that
    # name and of about that size. In a folder that all users share, that could be anybody's.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    return {**os.environ, **temporary, "SAMOVAR_WORKER_PARENT": str(os.getpid())}


def _out_of_memory(limits: Limits) -> Problem:
    megabytes = limits.memory_bytes // (1024 * 1024)
    return Problem(reason="out_of_memory", message=f"Reading it takes more than {megabytes:,} MB of memory.")


def _how(code: int | None) -> str:
    if code is None:
        return "sent what is no message"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _not_started(why: str) -> SamovarError:
    return SamovarError(
        FailureCode.INTERNAL,
        f"The process that reads documents could not be started: {why.rstrip('.')}.",
        hint="Try again; where it stays like this, install Samovar again.",
    )
