"""Bounded reading of a GGUF file's values: no length or count of the file is believed before it was checked.

Plain reads through a small window rather than a memory map: a file that shrinks while it is mapped kills the process
(SIGBUS), and a hostile header must not decide how much memory the agent takes.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from samovar_protocol import FailureCode, SamovarError

MAX_STRING_BYTES = 4 * 1024 * 1024
"""Longest text that is kept; the longest chat templates have some 50 kB."""
MAX_KEY_BYTES = 1024
MAX_STRINGS = 2_000_000
"""Texts in all lists of a file, which are walked one by one; the largest vocabularies have 300,000, twice."""
MAX_STRINGS_BYTES = 256 * 1024 * 1024
"""Of these texts together, which are some 10 MB; else all of a file of a terabyte could be read for its header."""
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
_U64 = _SCALARS[10]
_unpack_u32, _unpack_u64 = _SCALARS[4].unpack_from, _U64.unpack_from
_WINDOW_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SkippedArray:
    """A list whose contents were not kept. - seen: which of the texts that were looked for are in it."""

    length: int
    seen: frozenset[bytes] = frozenset()


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
        self._strings_bytes_left = MAX_STRINGS_BYTES
        self._kept_left = MAX_KEPT_BYTES

    @property
    def position(self) -> int:
        """Offset in the file of what is read next."""
        return self._base + self._at

    def broken(self, problem: str) -> SamovarError:
        """The failure to raise: `<file> <problem>.`"""
        message = printable(f"{self.name} {problem}.")
        return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint="Download or copy the file again.")

    def truncated(self, need_bytes: int) -> SamovarError:
        """The failure to raise for a file whose header is whole and tells of more than there is."""
        message = printable(f"{self.name} is truncated: it needs {need_bytes:,} bytes and has {self.size:,}.")
        hint = "Where it is still being copied, wait; else download or copy it again."
        details: dict[str, int | float | str | list[str]] = {"need_bytes": need_bytes, "has_bytes": self.size}
        return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint=hint, details=details)

    def unsupported(self, problem: str) -> SamovarError:
        """The failure to raise for a file that may be sound but is not known to this program."""
        message = printable(f"{self.name} {problem}.")
        hint = "Take another conversion of the model, or update Samovar."
        return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint=hint)

    # The three that follow are called a hundred times a header, and thousands of headers are read at a first start.

    def u32(self) -> int:
        """An unsigned number of four bytes."""
        at = self._at
        if at + 4 > len(self._window):
            self._fill(4)
            at = self._at
        self._at = at + 4
        value: int = _unpack_u32(self._window, at)[0]
        return value

    def u64(self) -> int:
        """An unsigned number of eight bytes."""
        at = self._at
        if at + 8 > len(self._window):
            self._fill(8)
            at = self._at
        self._at = at + 8
        value: int = _unpack_u64(self._window, at)[0]
        return value

    def raw(self, length: int) -> bytes:
        """The next `length` bytes; callers pass only lengths that they have bounded."""
        start = self._at
        if start + length > len(self._window):
            self._fill(length)
            start = self._at
        self._at = end = start + length
        return self._window[start:end]

    def key(self) -> bytes:
        """A short text: the name of a value or of a tensor."""
        length = self.u64()
        if length > MAX_KEY_BYTES:
            raise self.broken(f"has a name of {length:,} bytes in its header; {MAX_KEY_BYTES:,} is the limit")
        self._keep(length)
        return self.raw(length)

    def value(self, key: str, looked_for: Mapping[bytes, bytes] | None = None) -> Metadatum:
        """A typed value. Long lists and lists of text are walked over, and only their length is returned.

        - looked_for: short texts, each with `sought(text)`; the list says which of them are among its own.
        """
        kind = self.u32()
        if kind == STRING:
            return self._string(key)
        if kind == ARRAY:
            return self._array(key, looked_for)
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

    def _array(self, key: str, looked_for: Mapping[bytes, bytes] | None) -> SkippedArray | tuple[int | float, ...]:
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
            return SkippedArray(count, self._skip_strings(count, key, looked_for))
        if count <= MAX_KEPT_NUMBERS:
            self._keep(count * _NUMBER_BYTES)
            return tuple(value for (value,) in shape.iter_unpack(self.raw(least)))
        self._skip(least)
        return SkippedArray(count)

    def _keep(self, length: int) -> None:
        self._kept_left -= length
        if self._kept_left < 0:
            raise self.broken(f"has more than {MAX_KEPT_BYTES:,} bytes of texts and numbers in its header")

    def _skip_strings(self, count: int, key: str, looked_for: Mapping[bytes, bytes] | None) -> frozenset[bytes]:
        """Walk over texts without making Python strings of them: a vocabulary has 150,000.

        Returns which of `looked_for` are among them.
        """
        self._strings_left -= count
        if self._strings_left < 0:
            raise self.broken(f"has more than {MAX_STRINGS:,} texts in its lists, counting '{key}'")
        patterns = looked_for or {}
        seen: set[bytes] = set()
        unpack = _unpack_u64
        while count:
            # Room for a whole short text, so that none that is looked for is cut by the window's end twice.
            self._fill(max(8, min(8 + MAX_KEY_BYTES, self.size - self.position)))
            window, begin, last = self._window, self._at, len(self._window) - 8
            at = begin
            while count and at <= last:
                start = at
                at += 8 + unpack(window, at)[0]
                count -= 1
            if self._base + at > self.size:
                raise self.broken(f"is truncated or damaged: the list at '{key}' goes on past the end of the file")
            if begin < start and at > len(window) and at - start <= 8 + MAX_KEY_BYTES:
                at, count = start, count + 1  # a short text that the window cuts is looked at whole in the next one
            seen |= {
                text for text, pattern in patterns.items() if text not in seen and window.find(pattern, begin, at) >= 0
            }
            self._at = at
            self._strings_bytes_left -= at - begin
            if self._strings_bytes_left < 0:
                raise self.broken(f"has more than {MAX_STRINGS_BYTES:,} bytes of texts in its lists, counting '{key}'")
        return frozenset(seen)

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
        self._window = self._file.read(min(max(length, _WINDOW_BYTES), self.size - position))
        if len(self._window) < length:  # it shrank since its size was asked
            raise self.broken("became shorter while it was read")


def sought(text: bytes) -> bytes:
    """How a text of a list stands in the file: with its length before it, so that it is not found inside another."""
    return _U64.pack(len(text)) + text


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
    text = os.fspath(path)
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "replace")


def printable(text: str) -> str:
    """Text for a message: a name from a file must not move the cursor of whoever reads it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _not_a_file(path: Path) -> SamovarError:
    what = "a folder" if path.is_dir() else "not a regular file"
    message = printable(f"{shown(path)} is {what}.")
    return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint="Name the .gguf file itself.")
