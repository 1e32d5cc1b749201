"""Bringing files into our models folder, and out of it, so that a crash or a full disk leaves no half of one.

A copy is written beside its target under a name that no one takes for a model, and gets its name when it is complete
and on the disk. A move to another disk deletes the original only after the copy was read back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from samovar_agent.models.files import PARTIAL, parts
from samovar_agent.models.gguf_reader import shown
from samovar_agent.network.partial_file import JOURNAL
from samovar_agent.paths import safe_path
from samovar_agent.threads import reporting
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

log = logging.getLogger("samovar.models")

_CHUNK_BYTES = 4 * 1024 * 1024
_REPORT_SECONDS = 0.1
_SPARE_BYTES = 64 * 1024 * 1024
"""Left free on the disk, so that settings and the store can still be written."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A model's first file where it lies now. - sha256: where it was copied, and so read; None otherwise."""

    path: Path
    sha256: str | None


async def place(source: Path, folder: Path, *, mode: str, on_progress: Callable[[Progress], None]) -> Placed:
    """Bring a model's files into `folder`. - mode: "hardlink", "copy" or "move".

    Cancelled, it stops within one chunk and leaves nothing behind.
    Raises `bad_request`, `path_refused`, `disk_full`, or `digest_mismatch` where a disk returns other bytes.
    """
    return await reporting(lambda report, stop: _Placing(folder, report, stop).place(source, mode), on_progress)


def remove(root: Path, files: Sequence[Path]) -> int:
    """Delete files below `root` and the folders that are empty then; returns the bytes that became free.

    Raises `bad_request` for files that lie elsewhere through a linked folder, or that cannot be deleted.
    """
    freed = 0
    for file in files:
        if not file.parent.resolve().is_relative_to(root.resolve()):
            raise _refused(f"{shown(file)} lies outside the models folder, behind a link.", "Delete it yourself.")
        with contextlib.suppress(FileNotFoundError):
            status = file.lstat()
            # A link, symbolic or hard, leaves the bytes where they are.
            size = 0 if stat.S_ISLNK(status.st_mode) or status.st_nlink > 1 else status.st_size
            try:
                file.unlink()
            except OSError as error:
                raise _refused(
                    f"{shown(file)} could not be deleted: {error.strerror or error}.", "Is it in use?"
                ) from error
            freed += size
    remove_empty(root, files[0].parent)
    return freed


def remove_empty(root: Path, folder: Path) -> None:
    """Remove `folder` where it is empty, then the folders above it below `root`."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent


class _Placing:
    def __init__(self, folder: Path, report: Callable[[Progress], None], stop: threading.Event) -> None:
        self._folder = folder
        self._report = report
        self._stop = stop
        self._began = time.monotonic()
        self._reported = 0.0
        self._done = 0
        self._total = 0

    def place(self, source: Path, mode: str) -> Placed:
        if mode == "move" and source.is_symlink():
            raise _refused(f"{shown(source)} is a link.", "Import the file that it points to, or use --copy.")
        sources = parts(source)
        targets = [safe_path(self._folder, _target_name(file)) for file in sources]
        if taken := [target for target in targets if target.exists()]:
            raise _refused(f"{shown(taken[0])} exists already.", "Choose another name with --name.")
        if coming := [target for target in targets if target.with_name(target.name + JOURNAL).exists()]:
            raise _refused(
                f"{shown(coming[0])} is being downloaded.", "Cancel that, or choose another name with --name."
            )
        made: list[Path] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            digest = self._all(list(zip(sources, targets, strict=True)), mode, made)
        except BaseException as error:
            self._undo(made, list(zip(sources, targets, strict=True)), mode)
            if isinstance(error, OSError):
                raise _failure(error, self._folder) from error
            raise
        return Placed(targets[0], digest if len(targets) == 1 else None)

    def _all(self, pairs: list[tuple[Path, Path]], mode: str, made: list[Path]) -> str | None:
        digest = None
        rename = mode == "move" and all(_same_disk(file, self._folder) for file, _ in pairs)
        if not rename and mode != "hardlink":
            self._total = sum(file.stat().st_size for file, _ in pairs)
            _need_room(self._folder, self._total)
        for file, target in pairs:
            if rename:
                file.rename(target)
            elif mode == "hardlink":
                os.link(file.resolve(), target)
            else:
                digest = self._copy(file, target, verify=mode == "move")
            made.append(target)
        if mode == "move" and not rename:
            for file, _ in pairs:
                try:
                    file.unlink()
                except OSError as error:
                    log.warning("a moved file stays as well", extra={"file": shown(file), "problem": str(error)})
        return digest

    def _copy(self, source: Path, target: Path, *, verify: bool) -> str:
        partial = target.with_name(target.name + PARTIAL)
        try:
            with source.open("rb") as reader, partial.open("wb") as writer:
                digest = self._hash(reader.read, "copying", writer.write)
                writer.flush()
                os.fsync(writer.fileno())
            if verify:
                self._done -= partial.stat().st_size
                with partial.open("rb") as reader:
                    if self._hash(reader.read, "verifying") != digest:
                        raise SamovarError(
                            FailureCode.DIGEST_MISMATCH,
                            f"The copy of {shown(source.name)} reads back differently.",
                            hint="Check the disk; the original is where it was.",
                        )
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return digest

    def _hash(self, read: Callable[[int], bytes], stage: str, write: Callable[[bytes], int] | None = None) -> str:
        digest = hashlib.sha256()
        while chunk := read(_CHUNK_BYTES):
            if self._stop.is_set():
                raise SamovarError(FailureCode.CANCELLED, "The import was cancelled.")
            digest.update(chunk)
            if write:
                write(chunk)
            self._done += len(chunk)
            self._tell(stage)
        return digest.hexdigest()

    def _tell(self, stage: str) -> None:
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS and self._done < self._total:
            return
        self._reported = now
        speed = self._done / max(now - self._began, 1e-6)
        left = (self._total - self._done) / speed if speed else None
        self._report(Progress(stage=stage, done=self._done, total=self._total, per_second=speed, eta_seconds=left))

    def _undo(self, made: list[Path], pairs: list[tuple[Path, Path]], mode: str) -> None:
        """Leave everything as it was: of a model in several files, all came or none."""
        for source, target in pairs:
            if target in made:
                with contextlib.suppress(OSError):
                    if mode == "move" and not source.exists():
                        target.rename(source)
                    else:
                        target.unlink()
        remove_empty(self._folder.parent.parent, self._folder)


def _target_name(file: Path) -> str:
    """A file of another program may have no extension; among ours it is only found by it."""
    return file.name if file.suffix.lower() == ".gguf" else f"{file.name}.gguf"


def _same_disk(file: Path, folder: Path) -> bool:
    return file.stat().st_dev == folder.stat().st_dev


def _need_room(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if need + _SPARE_BYTES > free:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"The copy needs {need:,} bytes and the disk has {free:,} free.",
            hint="Free some room, or use --link, which copies nothing.",
            details={"need_bytes": need, "free_bytes": free},
        )


def _failure(error: OSError, folder: Path) -> SamovarError:
    if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK):
        return _refused("The file cannot be linked into the models folder.", "Use --copy, or --link.")
    code = FailureCode.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FailureCode.BAD_REQUEST
    return SamovarError(
        code,
        f"The file could not be brought to {shown(folder)}: {error.strerror or error}.",
        hint="Check the room on the disk and the permissions; nothing was changed.",
    )


def _refused(message: str, hint: str) -> SamovarError:
    return SamovarError(FailureCode.BAD_REQUEST, message, hint=hint)
