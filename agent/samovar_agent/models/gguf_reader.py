"""Bounded reading of a GGUF file's values: no length or count of the file is believed before it was checked.

Plain reads through a small window rather than a memory map: a file that shrinks while it is mapped kills the process
(SIGBUS), and a hostile header must not decide how much memory the agent takes.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from samovar_protocol import FailureCode, SamovarError

MAX_STRING_BYTES = 4 * 1024 * 1024
"""Longest text that is kept; the longest chat templates have some 50 kB."""
MAX_KEY_BYTES = 1024
MAX_STRINGS = 4_000_000
"""Texts in all lists of a file, which are walked one by one; the largest vocabularies have 300,000, twice."""
MAX_KEPT_NUMBERS = 8192
"""Longest list of numbers that is kept: one for each layer. Longer ones (token scores) are skipped."""
MAX_KEPT_BYTES = 32 * 1024 * 1024
"""Texts, names and numbers of one header that are kept, all together; the largest real ones have some 5 MB."""
_NUMBER_BYTES = 40
"""A number in a list, as a Python object."""

STRING, ARRAY = 8, 9
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32, _U64 = _SCALARS[4], _SCALARS[10]
_WINDOW_BYTES = 1024 * 1024


class SkippedArray(int):
    """The length of a list whose contents were not kept."""


Scalar = int | float | bool | str
Metadatum = Scalar | SkippedArray | tuple[int | float, ...]


class GgufReader:
    """Reads forward through one open file. Every failure is `model_file_broken` with a sentence about the file."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.size = size
        self._file = file
        self.name = name
        self._window = b""
        self._base = 0  # offset of the window in the file
        self._at = 0  # position in the window
        self._strings_left = MAX_STRINGS
        self._kept_left = MAX_KEPT_BYTES

    @property
    def position(self) -> int:
        """Offset in the file of what is read next."""
        return self._base + self._at

    def broken(self, problem: str) -> SamovarError:
        """The failure to raise: `<file> <problem>.`"""
        message = printable(f"{self.name} {problem}.")
        return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint="Download or copy the file again.")

    def unsupported(self, problem: str) -> SamovarError:
        """The failure to raise for a file that may be sound but is not known to this program."""
        message = printable(f"{self.name} {problem}.")
        hint = "Take another conversion of the model, or update Samovar."
        return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint=hint)

    def u32(self) -> int:
        """An unsigned number of four bytes."""
        return int(_U32.unpack(self.raw(4))[0])

    def u64(self) -> int:
        """An unsigned number of eight bytes."""
        return int(_U64.unpack(self.raw(8))[0])

    def raw(self, length: int) -> bytes:
        """The next `length` bytes; callers pass only lengths that they have bounded."""
        self._fill(length)
        start = self._at
        self._at += length
        return self._window[start : self._at]

    def key(self) -> bytes:
        """A short text: the name of a value or of a tensor."""
        length = self.u64()
        if length > MAX_KEY_BYTES:
            raise self.broken(f"has a name of {length:,} bytes in its header; {MAX_KEY_BYTES:,} is the limit")
        self._keep(length)
        return self.raw(length)

    def value(self, key: str) -> Metadatum:
        """A typed value. Long lists and lists of text are walked over, and only their length is returned."""
        kind = self.u32()
        if kind == STRING:
            return self._string(key)
        if kind == ARRAY:
            return self._array(key)
        return self._scalar(kind, key)

    def _scalar(self, kind: int, key: str) -> int | float | bool:
        shape = _SCALARS.get(kind)
        if shape is None:
            raise self.broken(f"has a value of the unknown type {kind} at '{key}'")
        value: int | float | bool = shape.unpack(self.raw(shape.size))[0]
        return value

    def _string(self, key: str) -> str:
        length = self.u64()
        if length > self.size - self.position:
            raise self.broken(f"is truncated or damaged: the text at '{key}' goes on past the end of the file")
        if length > MAX_STRING_BYTES:
            raise self.broken(f"has a text of {length:,} bytes at '{key}'; {MAX_STRING_BYTES:,} is the limit")
        self._keep(length)
        return self.raw(length).decode("utf-8", "replace")

    def _array(self, key: str) -> SkippedArray | tuple[int | float, ...]:
        kind, count = self.u32(), self.u64()
        # 8 bytes is the least that a text takes: its length.
        shape = _SCALARS.get(kind)
        if kind != STRING and shape is None:
            raise self.broken(f"has a list of the unsupported type {kind} at '{key}'")
        least = count * (shape.size if shape else 8)
        if least > self.size - self.position:
            raise self.broken(
                f"is truncated or damaged: the list at '{key}' claims {count:,} entries, more than the file holds"
            )
        if shape is None:
            self._skip_strings(count, key)
        elif count <= MAX_KEPT_NUMBERS:
            self._keep(count * _NUMBER_BYTES)
            return tuple(value for (value,) in shape.iter_unpack(self.raw(least)))
        else:
            self._skip(least)
        return SkippedArray(count)

    def _keep(self, length: int) -> None:
        self._kept_left -= length
        if self._kept_left < 0:
            raise self.broken(f"has more than {MAX_KEPT_BYTES:,} bytes of texts and numbers in its header")

    def _skip_strings(self, count: int, key: str) -> None:
        """Walk over texts without making Python strings of them: a vocabulary has 150,000."""
        self._strings_left -= count
        if self._strings_left < 0:
            raise self.broken(f"has more than {MAX_STRINGS:,} texts in its lists, counting '{key}'")
        unpack = _U64.unpack_from
        while count:
            self._fill(8)
            window, at, last = self._window, self._at, len(self._window) - 8
            while count and at <= last:
                at += 8 + unpack(window, at)[0]
                count -= 1
            if self._base + at > self.size:
                raise self.broken(f"is truncated or damaged: the list at '{key}' goes on past the end of the file")
            self._at = at

    def _skip(self, length: int) -> None:
        self._at += length

    def _fill(self, length: int) -> None:
        """Have `length` bytes in the window from the position on."""
        if self._at + length <= len(self._window):
            return
        position = self.position
        if length > self.size - position:
            raise self.broken(f"is truncated: its header goes on past the end at {self.size:,} bytes")
        self._file.seek(position)
        self._base, self._at = position, 0
        self._window = self._file.read(max(length, _WINDOW_BYTES))
        if len(self._window) < length:  # it shrank since its size was asked
            raise self.broken("became shorter while it was read")


@contextmanager
def open_gguf(path: Path) -> Iterator[GgufReader]:
    """Open a regular file for reading; never waits, also not for a pipe that nobody writes to.

    Raises `model_file_missing`, or `model_file_broken` for what is not a readable regular file.
    """
    try:
        # Asked before opening as well: opening a device may have effects of its own.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _not_a_file(path)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _not_a_file(path)
            yield GgufReader(file, status.st_size, shown(path.name))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SamovarError(
            FailureCode.MODEL_FILE_MISSING,
            printable(f"{shown(path)} is not there."),
            hint="Was it moved, or is its disk not connected?",
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SamovarError(
            FailureCode.MODEL_FILE_BROKEN,
            printable(f"{shown(path.name)} could not be read: {reason or error}."),
            hint="Check the file's permissions and its disk.",
        ) from error


def shown(path: Path | str) -> str:
    """A path as text that can be sent: names on disk need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def printable(text: str) -> str:
    """Text for a message: a name from a file must not move the cursor of whoever reads it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _not_a_file(path: Path) -> SamovarError:
    what = "a folder" if path.is_dir() else "not a regular file"
    message = printable(f"{shown(path)} is {what}.")
    return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint="Name the .gguf file itself.")
