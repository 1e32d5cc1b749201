"""Bounded reading of a safetensors file: its header is JSON that says where each tensor lies, and is not believed.

with open_safetensors(Path("model.safetensors")) as weights:
    entry = weights.entries["embeddings.LayerNorm.bias"]
    data = weights.read(entry, 0, entry.length)

Plain reads, as for GGUF files: a memory map of a file that shrinks kills the process.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.models.published import broken, decode_published, unsupported
from samovar_protocol import FailureCode, SamovarError

MAX_HEADER_BYTES = 16 * 1024 * 1024
"""Longest header that is read; an encoder's has some 10 kB, that of the largest models has some MB."""
MAX_TENSORS = 100_000
_DTYPE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
_LENGTH_BYTES = 8

_Number = Annotated[int, Meta(ge=0, le=2**62)]


class _Claim(msgspec.Struct):
    """What the header says of one tensor."""

    dtype: str
    shape: Annotated[list[_Number], Meta(max_length=8)]
    data_offsets: tuple[_Number, _Number]


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor, checked: it lies inside the file and is as long as its shape says. - offset: in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


class Safetensors:
    """An open file. - entries: its tensors by their names, in the order in which they lie in it."""

    def __init__(self, file: BinaryIO, path: Path, entries: dict[str, Entry]) -> None:
        self.path = path
        self.entries = entries
        self._file = file

    def read(self, entry: Entry, start: int, length: int) -> bytes:
        """Bytes of one tensor, from `start` of it on. Raises `model_file_broken` where they cannot be had any more."""
        assert 0 <= start <= start + length <= entry.length
        try:
            self._file.seek(entry.offset + start)
            data = self._file.read(length)
        except OSError as error:
            raise broken(self.path, f"could not be read: {error.strerror or error}") from error
        if len(data) != length:
            raise broken(self.path, "became shorter while it was read")
        return data


@contextmanager
def open_safetensors(path: Path) -> Iterator[Safetensors]:
    """Open a file and check where its tensors lie.

    Raises `model_file_missing`, `model_file_broken` (the message says what is wrong), or `model_unsupported` for a type
    of numbers that this program does not know.
    """
    file = _open(path)
    with file:
        try:
            size = os.fstat(file.fileno()).st_size
            header, begin = _header(file, size, path)
        except OSError as error:
            raise broken(path, f"could not be read: {error.strerror or error}") from error
        yield Safetensors(file, path, _entries(_claims(header, path), begin, size, path))


def _open(path: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise broken(path, "is not a regular file")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SamovarError(
            FailureCode.MODEL_FILE_MISSING, printable(f"{shown(path)} is not there."), hint="Get the model again."
        ) from error
    except OSError as error:
        raise broken(path, f"could not be read: {error.strerror or error}") from error


def _header(file: BinaryIO, size: int, path: Path) -> tuple[bytes, int]:
    """The header's JSON, and where the data begins."""
    if size < _LENGTH_BYTES:
        raise broken(path, f"is truncated: it has only {size:,} bytes")
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise broken(path, f"claims a header of {length:,} bytes; {MAX_HEADER_BYTES:,} is the limit")
    header = file.read(length)
    if len(header) < length:
        raise broken(path, "is truncated: its header goes on past its end")
    return header, _LENGTH_BYTES + length


def _claims(header: bytes, path: Path) -> dict[str, _Claim]:
    raw = decode_published(header, path, dict[str, msgspec.Raw])
    raw.pop("__metadata__", None)
    if len(raw) > MAX_TENSORS:
        raise broken(path, f"claims {len(raw):,} tensors; {MAX_TENSORS:,} is the limit")
    return {name: decode_published(claim, path, _Claim) for name, claim in raw.items()}


def _entries(claims: dict[str, _Claim], begin: int, size: int, path: Path) -> dict[str, Entry]:
    """The tensors, which must fill the rest of the file one after the other.

    The format allows no gap, so a name that is in the header twice shows as one.
    """
    entries: dict[str, Entry] = {}
    position = 0
    for name, claim in sorted(claims.items(), key=lambda item: item[1].data_offsets):
        first, end = claim.data_offsets
        width = _DTYPE_BYTES.get(claim.dtype)
        if width is None:
            raise unsupported(path, f"has its tensor '{name}' in the unknown type '{claim.dtype[:20]}'")
        if end - first != width * prod(claim.shape):
            raise broken(
                path,
                f"has {end - first:,} bytes for its tensor '{name}', whose shape is {claim.shape} of {claim.dtype}",
            )
        if first != position:
            what = "overlaps the one before it" if first < position else "leaves a gap before it"
            raise broken(path, f"has a tensor '{name}' that {what}")
        position = end
        entries[name] = Entry(name, claim.dtype, tuple(claim.shape), begin + first, end - first)
    if begin + position > size:
        raise broken(path, f"is truncated: it needs {begin + position:,} bytes and has {size:,}")
    if begin + position < size:
        raise broken(path, f"has {size - begin - position:,} bytes that belong to no tensor")
    return entries
