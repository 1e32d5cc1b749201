"""The agent's side: hands files to the process that reads them, and ends it where it does not behave."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction import wire
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.names import file_title
from samovar_agent.documents.extraction.reading import Failed, KilledError, ReadingProcess, Unread
from samovar_agent.store.contents import NewChunk
from samovar_protocol import FailureCode, SamovarError

# -P: a `queue.py` in the folder that the agent happens to run in must not be taken for Python's own.
WORKER_COMMAND = (sys.executable, "-P", "-m", "samovar_agent.documents.extraction.worker")

_HARMLESS = frozenset({"text/plain", "text/markdown", "text/csv", "text/tab-separated-values"})
"""No library reads these, so nothing is left behind; a process for every 500 notes would take longer than the notes."""

_ATTEMPTS = 3
"""Processes that are begun for one file where something outside kills them."""


class Extractor:
    """Reads files as text.

        extractor = Extractor(places.run / "extraction")
        extracted = await extractor.extract(Path("report.pdf"))
        if extracted.problem: ...
        await extractor.close()

    - scratch: a folder in which only this user may write, emptied for each process; the libraries put programs there
    and load them. - limits: what one file may take. - command: starts the process that reads.
    """

    def __init__(self, scratch: Path, limits: Limits | None = None, *, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._scratch = scratch
        self._limits = limits or Limits()
        self._command = tuple(command)
        self._changing = asyncio.Lock()
        self._waiting = 0
        self._process: ReadingProcess | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that reads; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def extract(self, path: Path) -> Extracted:
        """Read a file, after those that were asked for before. Cancelling ends the process with the file.

        Whatever is wrong with the file is in the result's `problem`. Raises `internal` where no process can be started.
        """
        return (await self._read(path, 0)).extracted

    async def extract_chunks(self, path: Path, target: int) -> tuple[Extracted, list[NewChunk]]:
        """As `extract`, but with the chunks of the text instead of the text. - target: tokens of each, by an estimate.

        So nothing is computed in this process while it reads.
        """
        done = await self._read(path, target)
        return done.extracted, done.chunks

    async def _read(self, path: Path, cut_into: int) -> wire.Done:
        self._waiting += 1
        self._stop_idling()
        try:
            return await self._done(path, cut_into)
        except Failed as failed:
            title, media_type = file_title(os.fsencode(path)), "application/octet-stream"
            return wire.Done(Extracted(title=title, media_type=media_type, text="", problem=failed.problem))
        finally:
            self._waiting -= 1
            if not self._waiting and self._process is not None:
                self._idle = asyncio.get_running_loop().call_later(self._limits.idle_seconds, self._idled)

    async def _done(self, path: Path, cut_into: int) -> wire.Done:
        """What a process says of a file; another one where somebody killed the first, which is no fault of the file."""
        killed = 0
        while True:
            try:
                return await self._asked(path, cut_into)
            except Unread:
                continue
            except (Failed, KilledError) as failed:
                killed += 1
                if killed == _ATTEMPTS or (isinstance(failed, Failed) and not failed.killed):
                    raise

    async def _asked(self, path: Path, cut_into: int) -> wire.Done:
        async with self._changing:
            process = await self._running()
            asked = process.ask(path, cut_into)
            process.files += 1
        try:
            done = await asked
        except Unread:
            raise
        except BaseException:  # it failed, or nobody wants it any more
            await self._end(process)
            raise
        if done.exhausted:
            await self._end(process)
        elif done.extracted.media_type in _HARMLESS:
            process.files -= 1
        return done

    async def close(self) -> None:
        """End the process; files that are being read come to their end first."""
        async with self._changing:
            self._stop_idling()
            if self._process is not None:
                await self._process.drained()
                await self._end(self._process)

    async def _running(self) -> ReadingProcess:
        process = self._process
        if process is not None and process.is_running and process.files >= self._limits.files:
            await process.drained()  # those may have been files that leave nothing behind
        if process is not None and (not process.is_running or process.files >= self._limits.files):
            await self._end(process)
        if self._process is None:
            _empty(self._scratch)
            self._process = await ReadingProcess.start(self._command, self._limits, self._scratch)
        return self._process

    async def _end(self, process: ReadingProcess) -> None:
        if self._process is process:
            self._process = None
        await process.kill()

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _idled(self) -> None:
        if not self._waiting:
            self._ending = asyncio.create_task(self.close())


def _empty(folder: Path) -> None:
    """Nothing that another version or a killed process left there is used again."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SamovarError(
            FailureCode.INTERNAL,
            f"The folder {folder} cannot be made: {error.strerror or error}.",
            hint="Free some space, or let this user write there.",
        ) from error
