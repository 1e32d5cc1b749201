"""Files that clients uploaded: `<folder>/<id>/<name>`, and while they arrive `<folder>/incoming/…`.

    async with files.incoming("report.pdf") as incoming:
        await incoming.write(data)              # a limit on the size, and a clear error where the disk is full
        row = await incoming.keep("assistants")

Whatever is not kept leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.paths import safe_path
from samovar_agent.store.files import FileRow
from samovar_agent.store.store import Store
from samovar_agent.threads import stoppable
from samovar_protocol import FailureCode, SamovarError

_INCOMING = "incoming"


class IncomingFile:
    """A file on its way in; made by `UploadedFiles.incoming`. - size: of what has come so far, in bytes."""

    def __init__(self, files: UploadedFiles, name: str, file: BinaryIO, path: Path) -> None:
        self._files, self._name, self._file, self._path = files, name, file, path
        self._sha256 = hashlib.sha256()
        self.size = 0

    async def write(self, data: bytes) -> None:
        """The next piece. Raises `too_large`, `disk_full`."""
        self.size += len(data)
        if self.size > self._files.most_bytes:
            raise too_large(self._files.most_bytes)

        def work(stop: threading.Event) -> None:
            self._sha256.update(data)
            self._file.write(data)

        await self._on_disk(work)

    async def keep(self, purpose: str) -> FileRow:
        """That was all of it: it has an id from now on. Raises `disk_full`."""

        def work(stop: threading.Event) -> None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

        await self._on_disk(work)
        return await self._files.take(self._path, self._name, purpose, self.size, self._sha256.hexdigest())

    async def _on_disk(self, work: Callable[[threading.Event], None]) -> None:
        try:
            await stoppable(work)
        except OSError as error:
            raise _no_room(self._files.folder, error) from error


class UploadedFiles:
    """All of them. - folder: where they lie; made when the first one comes. - most_bytes: of one file."""

    def __init__(self, store: Store, folder: Path, most_bytes: int = Limits().file_bytes) -> None:
        self._store = store
        self.folder, self.most_bytes = folder, most_bytes
        self._swept = False
        self._sweeping = asyncio.Lock()

    @asynccontextmanager
    async def incoming(self, name: str) -> AsyncIterator[IncomingFile]:
        """A place for a file that arrives. - name: what the client calls it. Raises `path_refused`, `disk_full`."""
        safe_path(self.folder, "0", name)  # before anything is read
        try:
            await self._sweep()
            file, path = await asyncio.to_thread(self._open)
        except OSError as error:
            raise _no_room(self.folder, error) from error
        try:
            yield IncomingFile(self, name, file, path)
        finally:
            with contextlib.suppress(OSError):
                file.close()  # a full disk refuses what is buffered
            path.unlink(missing_ok=True)

    async def take(self, path: Path, name: str, purpose: str, size: int, sha256: str) -> FileRow:
        """Give the file at `path` an id and its place among the others."""

        def place(id_: int) -> None:
            target = safe_path(self.folder, str(id_), name)
            try:
                shutil.rmtree(target.parent, ignore_errors=True)  # of an agent that died before this id was anybody's
                target.parent.mkdir()
                path.rename(target)
            except OSError as error:
                raise _no_room(self.folder, error) from error

        return await self._store.files.add(name, purpose, size, sha256, place)

    def path(self, row: FileRow) -> Path:
        """Where a file lies."""
        return safe_path(self.folder, str(row.id), row.name)

    async def delete(self, id_: int) -> bool:
        """Remove a file and where it was attached, its documents excepted; says whether there was one."""
        found = await self._store.files.delete(id_)
        await asyncio.to_thread(shutil.rmtree, safe_path(self.folder, str(id_)), ignore_errors=True)
        return found

    def _open(self) -> tuple[BinaryIO, Path]:
        folder = self.folder / _INCOMING
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, path = tempfile.mkstemp(dir=folder)
        return os.fdopen(number, "wb"), Path(path)

    async def _sweep(self) -> None:
        """Once: remove what an agent that died had not finished, incoming or leaving."""
        async with self._sweeping:
            if self._swept:
                return
            known = {str(id_) for id_ in await self._store.files.ids()}

            def work() -> None:
                with contextlib.suppress(FileNotFoundError):
                    for entry in list(os.scandir(self.folder)):
                        if entry.name == _INCOMING or (entry.name.isdecimal() and entry.name not in known):
                            shutil.rmtree(entry.path, ignore_errors=True)

            await asyncio.to_thread(work)
            self._swept = True


def too_large(most_bytes: int) -> SamovarError:
    """What to tell about a file that is larger than that."""
    return SamovarError(
        FailureCode.TOO_LARGE,
        f"The file is larger than {most_bytes / 1024**2:,.0f} MiB.",
        hint="Split it, or add it with `samovar docs add` where only a part of it is text.",
    )


def _no_room(folder: Path, error: OSError) -> SamovarError:
    return SamovarError(
        FailureCode.DISK_FULL,
        f"The file could not be kept in {folder}: {error.strerror or error}.",
        hint="Free some room, or correct the folder's permissions; nothing of it was kept.",
    )
