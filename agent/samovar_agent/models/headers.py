"""GGUF headers that are read only once, and what several files of one model say together.

Everything here blocks and is called in a thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from samovar_agent.models.files import part_names
from samovar_agent.models.gguf import GgufHeader, read_header
from samovar_agent.models.gguf_reader import shown
from samovar_agent.settings import write_atomically
from samovar_protocol import Failure, FailureCode, SamovarError

log = logging.getLogger("samovar.models")

Stamp = tuple[int, int, int, int, int]
"""Disk and number of a file, its size, time of the last change of the contents, and of the entry: that of the contents
can be set back, that of the entry cannot."""
Stamps = tuple[Stamp | None, ...]
"""Of each file of a model; None where it is not there."""
_Stamp = tuple[int, int, int]
"""What of it is kept: disks are numbered anew when the machine starts."""


def stamps(files: Sequence[str]) -> Stamps:
    """What changes when a file does, of each; asked for thousands of files at a time."""
    found: list[Stamp | None] = []
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - Path takes twice as long
        except (OSError, ValueError):
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


class HeaderCache:
    """Headers by path, as long as size and times of the file stay, in a file so that a start with many models is fast.

    - file: may be deleted at any time. Only sound headers are kept in it; problems are looked at again at each start.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._headers = self._load()
        self._failures: dict[str, tuple[_Stamp, Failure]] = {}
        self._changed = False

    def read(self, path: Path) -> GgufHeader:
        """The header of a model, all its parts taken together; raises as `read_header` does."""
        files = part_names(os.fspath(path))
        return self.of(files, stamps(files))

    def of(self, files: tuple[str, ...], stamps: Stamps) -> GgufHeader:
        """The same for those who have asked already what its files are now."""
        headers = [self._read_one(file, stamp) for file, stamp in zip(files, stamps, strict=True)]
        first = headers[0]
        if first.split_count != len(files):
            raise SamovarError(
                FailureCode.MODEL_FILE_BROKEN,
                f"{shown(Path(files[0]).name)} is one of {first.split_count} parts, but not named so.",
                hint=f"Name the first part …-00001-of-{first.split_count:05}.gguf and keep all parts in one folder.",
            )
        if len(headers) == 1:
            return first
        return replace(
            first,
            parameters=sum(header.parameters for header in headers),
            tensor_count=sum(header.tensor_count for header in headers),
            tensor_bytes=sum(header.tensor_bytes for header in headers),
            file_bytes=sum(header.file_bytes for header in headers),
        )

    def save(self) -> None:
        """Write the file, where something changed; a failure costs only time at the next start."""
        if not self._changed:
            return
        try:
            write_atomically(self._file, msgspec.json.encode(_Saved(_FORMAT, self._headers)))
            self._changed = False
        except SamovarError as error:
            log.warning(error.failure.message)

    def forget_others(self, paths: set[str]) -> None:
        """Drop what is kept for files that are no longer there. - paths: of single files, as `shown` writes them."""
        for gone in self._headers.keys() - paths:
            del self._headers[gone]
            self._changed = True
        for gone in self._failures.keys() - paths:
            del self._failures[gone]

    def _read_one(self, file: str, known: Stamp | None) -> GgufHeader:
        name = shown(file)
        if known is None:
            return read_header(Path(file))  # which says what is wrong
        stamp = known[2:]
        if (kept := self._headers.get(name)) and kept[0] == stamp:
            return kept[1]
        if (failed := self._failures.get(name)) and failed[0] == stamp:
            raise SamovarError.of(failed[1])
        try:
            header = read_header(Path(file))
        except SamovarError as error:
            if not isinstance(error.__cause__, OSError):  # a disk that does not answer may do so again
                self._failures[name] = (stamp, error.failure)
            raise
        self._headers[name] = (stamp, header)
        self._changed = True
        return header

    def _load(self) -> dict[str, tuple[_Stamp, GgufHeader]]:
        try:
            saved = msgspec.json.decode(self._file.read_bytes(), type=_Saved)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return {}
        return saved.headers if saved.format == _FORMAT else {}


class _Saved(msgspec.Struct):
    format: int
    headers: dict[str, tuple[_Stamp, GgufHeader]]


_FORMAT = 3
"""Raised when `GgufHeader` or the checks behind it change, so that files are looked at again."""
