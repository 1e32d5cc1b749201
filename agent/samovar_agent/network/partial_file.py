"""A file that is on its way: its bytes so far, and beside them a journal that says which of them can be relied on.

    file = PartialFile.open(target, size_bytes=1000, sha256="ab…")
    file.write(0, data)
    if file.digest() == "ab…" and not file.missing():
        file.sync()
        file.finish()

The bytes lie in `<name>.partial`, the journal in `<name>.partial.chunks`. A line is added to the journal after the
bytes that it is about were written, so a process that is killed loses what it had not yet written and nothing else;
what a power cut takes is found by the digests. Everything here blocks and may be called from several threads.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from hashlib import _Hash

PARTIAL = ".partial"
JOURNAL = ".partial.chunks"
_NEW_JOURNAL = ".partial.chunks~"
CHUNK_BYTES = 4 << 20
"""What one digest is about, and so what is fetched again where a byte was damaged on the disk."""
_FORMAT = 1
_READ_BYTES = 1 << 20
_LONGEST_JOURNAL = 16 << 20
"""A journal of more bytes is written anew, with one line a chunk: a slow transfer adds several lines a second."""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the bytes are of. A later one replaces it. - url, etag: where they come from, and which version there."""

    format: int
    size: int
    chunk: int
    sha256: str | None = None
    url: str = ""
    etag: str | None = None


_Line = _Header | tuple[int, int, str]
"""A chunk's line: index, bytes that are here, their SHA-256."""


@dataclass(slots=True)
class _Chunk:
    """- done: bytes that are here, from its start. - digest: of them."""

    done: int = 0
    digest: _Hash = field(default_factory=hashlib.sha256)


class PartialFile:
    """The bytes of one file so far; made by `PartialFile.open`.

    - target: what it becomes. - size_bytes: in the end. - url, etag: what the bytes were taken from last.
    """

    def __init__(self, target: Path, header: _Header) -> None:
        self.target = target
        self.size_bytes = header.size
        self._header = header
        self._path, self._journal_path = _paths(target)
        self._lock = threading.Lock()
        self._complete: dict[int, str] = {}
        self._begun: dict[int, _Chunk] = {}
        self._done = 0

    @classmethod
    def open(cls, target: Path, *, size_bytes: int, sha256: str | None, chunk_bytes: int = CHUNK_BYTES) -> PartialFile:
        """Go on with what is there of this file, or begin; bytes of another one are dropped. Raises `disk_full`."""
        file = cls(target, _Header(format=_FORMAT, size=size_bytes, chunk=chunk_bytes, sha256=sha256))
        with _disk(target):
            file._open()
        return file

    @property
    def url(self) -> str:
        """Where the bytes were taken from last; empty at first."""
        return self._header.url

    @property
    def etag(self) -> str | None:
        """Which version it was that the server had there; None where it does not say."""
        return self._header.etag

    @property
    def done_bytes(self) -> int:
        """Bytes that are here."""
        return self._done

    def missing(self) -> list[tuple[int, int]]:
        """Ranges (from, to) that are not here; none has its begin within a chunk but behind what is here of it."""
        ranges: list[tuple[int, int]] = []
        with self._lock:
            for index in range(self._count()):
                if index in self._complete:
                    continue
                start = index * self._header.chunk + (self._begun[index].done if index in self._begun else 0)
                end = index * self._header.chunk + self._length(index)
                if ranges and ranges[-1][1] == start:
                    start = ranges.pop()[0]
                ranges.append((start, end))
        return ranges

    def chunk_end(self, offset: int) -> int:
        """Where the chunk that has this byte ends."""
        return min((offset // self._header.chunk + 1) * self._header.chunk, self.size_bytes)

    def came_from(self, url: str, etag: str | None) -> None:
        """Write down where the next bytes come from. Raises `disk_full`."""
        if (url, etag) != (self.url, self.etag):
            with self._lock, _disk(self.target):
                self._header = msgspec.structs.replace(self._header, url=url, etag=etag)
                self._note(self._header)

    def write(self, offset: int, data: bytes | bytearray) -> int:
        """Take bytes in; those that are here already are left out. Returns how many were new. Raises `disk_full`.

        - offset: not behind a gap in its chunk; see `missing`.
        """
        new = 0
        view = memoryview(data)
        with self._lock, _disk(self.target):
            while view:
                index, within = divmod(offset, self._header.chunk)
                piece = view[: self._length(index) - within]
                new += self._write(index, within, piece)
                offset += len(piece)
                view = view[len(piece) :]
        return new

    def digest(self, on_bytes: Callable[[int], None] = lambda _: None) -> str:
        """SHA-256 of the whole file as the disk has it; chunks that are not what was written become missing again.

        - on_bytes: called with how many were read; what it raises ends this. Raises `disk_full`.
        """
        whole = hashlib.sha256()
        with _disk(self.target), self._path.open("rb", buffering=0) as file:
            for index in range(self._count()):
                part = hashlib.sha256()
                left = self._length(index)
                while left and (data := file.read(min(left, _READ_BYTES))):
                    part.update(data)
                    whole.update(data)
                    left -= len(data)
                    on_bytes(len(data))
                if left:
                    file.seek((index + 1) * self._header.chunk)
                if left or part.hexdigest() != self._complete.get(index):
                    self._drop(index)
        return whole.hexdigest()

    def sync(self) -> None:
        """Bring all of it to the disk, which may take long. Raises `disk_full`."""
        with self._lock, _disk(self.target):
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Give the file its name, after `sync`. Raises `disk_full`."""
        with self._lock, _disk(self.target):
            self._close()
            self._path.replace(self.target)
            self._journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; what came stays."""
        with self._lock:
            self._close()

    def restart(self) -> None:
        """Forget every byte. Raises `disk_full`."""
        with self._lock, _disk(self.target):
            self._close()
            self._begin()

    def _open(self) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        known = self._read_journal()
        if known is None:
            self._begin()
            return
        self._header, lengths = known
        self._file = self._path.open("r+b", buffering=0)
        self._journal = self._journal_path.open("ab", buffering=0)
        self._journal.write(b"\n")  # the last line may have been cut short
        here = os.fstat(self._file.fileno()).st_size
        for index, (done, digest) in lengths.items():
            if not 0 < done <= self._length(index) or index * self._header.chunk + done > here:
                continue
            if done == self._length(index):
                self._complete[index] = digest
            elif (chunk := self._begun_chunk(index, done)).digest.hexdigest() == digest:
                self._begun[index] = chunk
        self._done = sum(map(self._length, self._complete)) + sum(chunk.done for chunk in self._begun.values())

    def _begin(self) -> None:
        self._complete.clear()
        self._begun.clear()
        self._done = 0
        self._header = msgspec.structs.replace(self._header, url="", etag=None)
        # The journal goes first: one without its bytes is worth nothing, one beside other bytes would lie.
        self._journal = self._journal_path.open("wb", buffering=0)
        self._file = self._path.open("w+b", buffering=0)
        self._note(self._header)

    def _read_journal(self) -> tuple[_Header, dict[int, tuple[int, str]]] | None:
        """The header and the last line of each chunk; None where there is nothing to go on with."""
        lengths: dict[int, tuple[int, str]] = {}
        header = None
        decoder = msgspec.json.Decoder(_Line)
        try:
            if not self._path.is_file():
                return None
            lines = self._journal_path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        for text in lines:
            try:
                line = decoder.decode(text)
            except msgspec.MsgspecError:
                continue
            if isinstance(line, _Header):
                header = line
            elif 0 <= line[0] < self._count():
                lengths[line[0]] = (line[1], line[2])
        if header is None or _identity(header) != _identity(self._header):
            return None
        return header, lengths

    def _begun_chunk(self, index: int, done: int) -> _Chunk:
        self._file.seek(index * self._header.chunk)
        chunk = _Chunk(done)
        while done and (data := self._file.read(min(done, _READ_BYTES))):
            chunk.digest.update(data)
            done -= len(data)
        return chunk

    def _write(self, index: int, within: int, piece: memoryview) -> int:
        if index in self._complete:
            return 0
        chunk = self._begun.setdefault(index, _Chunk())
        assert within <= chunk.done, "bytes behind a gap"
        piece = piece[chunk.done - within :]
        if not piece:
            return 0
        self._file.seek(index * self._header.chunk + chunk.done)
        _write_all(self._file.write, piece)
        chunk.digest.update(piece)
        chunk.done += len(piece)
        self._done += len(piece)
        digest = chunk.digest.hexdigest()
        self._note((index, chunk.done, digest))
        if chunk.done == self._length(index):
            self._complete[index] = digest
            del self._begun[index]
        return len(piece)

    def _drop(self, index: int) -> None:
        with self._lock:
            if self._complete.pop(index, None):
                self._done -= self._length(index)
            if chunk := self._begun.pop(index, None):
                self._done -= chunk.done
            self._note((index, 0, ""))

    def _note(self, line: _Line) -> None:
        if self._journal.tell() > _LONGEST_JOURNAL:
            self._shorten()
        _write_all(self._journal.write, _encoded([line]))

    def _shorten(self) -> None:
        lines: list[_Line] = [self._header]
        lines += [(index, self._length(index), digest) for index, digest in self._complete.items()]
        lines += [(index, chunk.done, chunk.digest.hexdigest()) for index, chunk in self._begun.items()]
        new = self.target.with_name(self.target.name + _NEW_JOURNAL)
        with new.open("wb", buffering=0) as journal:
            _write_all(journal.write, _encoded(lines))
        self._journal.close()
        new.replace(self._journal_path)
        self._journal = self._journal_path.open("ab", buffering=0)

    def _close(self) -> None:
        self._file.close()
        self._journal.close()

    def _count(self) -> int:
        return -(-self._header.size // self._header.chunk)

    def _length(self, index: int) -> int:
        return min(self._header.chunk, self._header.size - index * self._header.chunk)


def remove(target: Path) -> None:
    """Delete what came of a file. Raises `disk_full` where that is not allowed."""
    with _disk(target):
        for path in (target.with_name(target.name + _NEW_JOURNAL), *reversed(_paths(target))):
            path.unlink(missing_ok=True)


def done_bytes(target: Path, *, size_bytes: int, sha256: str | None) -> int:
    """How much of a file is here, roughly: what a damaged disk changed is counted too. Nothing is made."""
    file = PartialFile(target, _Header(format=_FORMAT, size=size_bytes, chunk=CHUNK_BYTES, sha256=sha256))
    with contextlib.suppress(OSError):
        if known := file._read_journal():
            return sum(done for done, _ in known[1].values())
    return 0


def write_failure(error: OSError, target: Path) -> SamovarError:
    """What to tell a person about a file that could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return SamovarError(
        FailureCode.DISK_FULL,
        f"{target} could not be written: {error.strerror or error}.",
        hint="Free some room, then get it again; what came is kept."
        if full
        else "Correct the folder's permissions, then get it again; what came is kept.",
    )


@contextlib.contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failure(error, target) from error


def _write_all(write: Callable[[memoryview], int | None], data: memoryview) -> None:
    while data:
        data = data[write(data) or 0 :]


def _encoded(lines: Iterable[_Line]) -> memoryview:
    return memoryview(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _identity(header: _Header) -> tuple[int, int, int, str | None]:
    return header.format, header.size, header.chunk, header.sha256


def journal_of(partial: Path) -> Path:
    """The journal that goes with the bytes so far. - partial: their file, `<name>.partial`."""
    return partial.with_name(partial.name.removesuffix(PARTIAL) + JOURNAL)


def _paths(target: Path) -> tuple[Path, Path]:
    return target.with_name(target.name + PARTIAL), target.with_name(target.name + JOURNAL)
