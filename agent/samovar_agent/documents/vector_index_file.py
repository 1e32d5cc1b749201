"""A vector index on disk: one file, whole or not there, with a digest over all of it.

    save(file, dimensions, arrays)
    arrays = load(file, dimensions)

    magic 8 · version 4 · dimensions 4 · vectors 8 · has codes 4 · ids · vectors, or centre and codes · SHA-256, 32

Numbers are in the machine's own byte order: what another machine wrote is made anew, like anything else that is amiss.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samovar_agent.documents.vector_index_codes import Codes, Floats, words

_MAGIC = b"SMVRVECT"
_VERSION = 1
_HEAD = struct.Struct("=8sIIQI")
_DIGEST_BYTES = hashlib.sha256().digest_size
PARTIAL = ".partial"
"""Added to the name of a file while it is written."""


class Unsound(Exception):
    """The file is not what was saved; the message says how that shows."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """- ids: rising. - vectors: one a row; or else centre and codes."""

    ids: NDArray[np.int64]
    vectors: Floats | None = None
    centre: Floats | None = None
    codes: Codes | None = None


def save(file: Path, dimensions: int, arrays: Arrays) -> None:
    """Replace the file; raises `OSError`, and then the old one is as it was."""
    parts: list[NDArray[Any]] = [arrays.ids]
    if arrays.vectors is not None:
        parts.append(arrays.vectors)
    else:
        assert arrays.centre is not None and arrays.codes is not None, "either vectors or codes"
        parts += [arrays.centre, *arrays.codes]
    head = _HEAD.pack(_MAGIC, _VERSION, dimensions, len(arrays.ids), arrays.vectors is None)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(file.name + PARTIAL)
    try:
        with open(partial, "wb", opener=_private) as target:
            digest = hashlib.sha256(head)
            target.write(head)
            for part in parts:
                contents = np.ascontiguousarray(part).data.cast("B") if part.size else b""
                digest.update(contents)
                target.write(contents)
            target.write(digest.digest())
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def load(file: Path, dimensions: int) -> Arrays:
    """What was saved. Raises `OSError`, or `Unsound` for anything but that."""
    with file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        head = source.read(_HEAD.size)
        if len(head) != _HEAD.size:
            raise Unsound("it is cut off")
        magic, version, found_dimensions, count, has_codes = _HEAD.unpack(head)
        if (magic, version) != (_MAGIC, _VERSION):
            raise Unsound("it is of another kind or version")
        if found_dimensions != dimensions:
            raise Unsound(f"its vectors have {found_dimensions} dimensions instead of {dimensions}")
        # Before anything is made as large as the file claims to be.
        each = 8 + words(dimensions) * 8 if has_codes else 8 + dimensions * 4
        if size != _HEAD.size + count * each + (dimensions * 4 if has_codes else 0) + _DIGEST_BYTES:
            raise Unsound(f"it has {size} bytes, not those of {count} vectors")
        reader = _Reader(source, head)
        ids = reader.array(np.empty(count, dtype=np.int64))
        if has_codes:
            centre = reader.array(np.empty(dimensions, dtype=np.float32))
            codes = reader.array(np.empty((words(dimensions), count), dtype=np.uint64))
            arrays = Arrays(ids, centre=centre, codes=codes)
        else:
            arrays = Arrays(ids, vectors=reader.array(np.empty((count, dimensions), dtype=np.float32)))
        reader.check()
    return arrays


class _Reader:
    """Fills arrays, and keeps count of what the digest must be."""

    def __init__(self, source: BufferedReader, head: bytes) -> None:
        self._source = source
        self._digest = hashlib.sha256(head)

    def array(self, empty: NDArray[Any]) -> Any:
        if empty.size:
            room = empty.data.cast("B")
            if self._source.readinto(room) != len(room):
                raise Unsound("it is cut off")
            self._digest.update(room)
        return empty

    def check(self) -> None:
        if self._source.read(_DIGEST_BYTES) != self._digest.digest():
            raise Unsound("its digest is another one")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
