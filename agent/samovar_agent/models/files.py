"""A model's files on disk: finding them, the parts of a split model, and headers that are read only once.

Everything here blocks and is called in a thread.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from samovar_agent.models.gguf import GgufHeader, read_header
from samovar_agent.models.gguf_reader import shown
from samovar_agent.settings import write_atomically
from samovar_protocol import Failure, FailureCode, SamovarError

log = logging.getLogger("samovar.models")

PARTIAL = ".partial"
"""Ends the name of a file that is not complete; it is renamed when it is."""
MAX_DEPTH = 16
MAX_PARTS = 1000
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})")
_QUANTIZATION = re.compile(r"[-_.](?P<tag>(?:UD-)?(?:I?Q|TQ)\d\w*|BF16|F16|F32|FP16|FP32|MXFP4\w*)$", re.IGNORECASE)


def model_files(root: Path, suffix: str = ".gguf") -> Iterator[Path]:
    """Files below `root` that end in `suffix`; of a split model, its first part.

    Follows links to folders, each real folder once. What cannot be listed is logged and left out.
    """
    visited: set[tuple[int, int]] = set()
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        if depth < MAX_DEPTH and not entry.name.startswith("."):
                            waiting.append((Path(entry.path), depth + 1))
                    elif entry.name.lower().endswith(suffix) and _is_first_part(entry.name):
                        yield Path(entry.path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:  # ValueError: a NUL in the setting
            log.warning("a models folder cannot be listed", extra={"folder": shown(folder), "problem": str(error)})


def parts(path: Path) -> tuple[Path, ...]:
    """All files of the model whose first is `path`: itself alone, unless its name says `-00001-of-0000N`."""
    split = _SPLIT.fullmatch(path.stem)
    count = int(split["count"]) if split else 1
    if split is None or int(split["index"]) != 1 or not 1 < count <= MAX_PARTS:
        return (path,)
    return tuple(
        path.with_name(f"{split['stem']}-{number:05}-of-{count:05}{path.suffix}") for number in range(1, count + 1)
    )


def stem_and_tag(file_name: str) -> tuple[str, str | None]:
    """A file's name without extension, part number and quantization; and that quantization, as it is written.

    stem_and_tag("SmolLM2-135M-Instruct.Q4_1.gguf")     # ("SmolLM2-135M-Instruct", "Q4_1")
    """
    stem = re.sub(r"\.gguf(\.partial)?$", "", file_name, flags=re.IGNORECASE)
    if split := _SPLIT.fullmatch(stem):
        stem = split["stem"]
    if found := _QUANTIZATION.search(stem):
        return stem[: found.start()] or stem, found["tag"]
    return stem, None


_Stamp = tuple[int, int, int]
"""Size, time of the last change of the contents, and of the entry: the second can be set back, the third cannot."""


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
        files = parts(path)
        headers = [self._read_one(file) for file in files]
        first = headers[0]
        if first.split_count != len(files):
            raise SamovarError(
                FailureCode.MODEL_FILE_BROKEN,
                f"{shown(path.name)} is one of {first.split_count} parts, but not named so.",
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

    def forget_others(self, paths: set[Path]) -> None:
        """Drop what is kept for files that are no longer there."""
        wanted = {shown(file) for path in paths for file in parts(path)}
        for gone in self._headers.keys() - wanted:
            del self._headers[gone]
            self._changed = True

    def _read_one(self, path: Path) -> GgufHeader:
        name = shown(path)
        try:
            status = path.stat()
        except (OSError, ValueError):
            return read_header(path)  # which says what is wrong
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if (kept := self._headers.get(name)) and kept[0] == stamp:
            return kept[1]
        if (failed := self._failures.get(name)) and failed[0] == stamp:
            raise SamovarError.of(failed[1])
        try:
            header = read_header(path)
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
        except (OSError, msgspec.MsgspecError):
            return {}
        return saved.headers if saved.format == _FORMAT else {}


class _Saved(msgspec.Struct):
    format: int
    headers: dict[str, tuple[_Stamp, GgufHeader]]


_FORMAT = 2
"""Raised when `GgufHeader` or the checks behind it change, so that files are looked at again."""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; as a file it is listed with what is wrong
        return False


def _is_first_part(file_name: str) -> bool:
    split = _SPLIT.fullmatch(Path(file_name).stem)
    return split is None or int(split["index"]) == 1
