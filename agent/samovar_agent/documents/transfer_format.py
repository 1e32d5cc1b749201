"""The file that a collection is exported to: its records, and how they lie in the file.

    samovar collection 1\\n        what it is, and the version of all below
    one zlib stream of
        length                    4 bytes, big-endian
        record                    msgpack, of one of the types below, told apart by their field "type"

The order is `Header`, a `Source` each, then for each document a `Document` and, where it brings a content, the `Chunks`
of that; `End` comes last, with a digest of all that was before it. So both sides read and write from the beginning to
the end with one record in memory, however large the collection is, and a file that was cut off or changed shows. A ZIP
would do that too, but its directory says everything twice, and what to believe where the two differ nobody knows; and
JSON would be three times the size for vectors.

The digest tells damage, not who wrote the file: everything in it is checked as coming from a stranger.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from samovar_protocol.documents import DocumentState, SourceKind
from samovar_protocol.values import Name

VERSION = 1
PREFIX = b"samovar collection "
MAX_RECORD_BYTES = 16 << 20
MAX_CHUNKS = 256
"""In one record."""

_LENGTH_BYTES = 4
_PIECE_BYTES = 1 << 18
_LEVEL = 1
"""Vectors hardly get smaller, and texts little more with a higher one, at several times the cost."""
_UNPACKED_RATIO = 200
_UNPACKED_FLOOR = 64 << 20
"""A stream may unpack to so many times what was read of it, or to so much. Text of one kind reaches a twentieth."""

_Count = Annotated[int, Meta(ge=0, le=1 << 40)]
_Short = Annotated[str, Meta(max_length=1000)]
_Title = Annotated[str, Meta(max_length=100_000)]
_Path = Annotated[str, Meta(min_length=1, max_length=4096)]
_Json = Annotated[str, Meta(max_length=65_536)]
_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]
_Time = Annotated[float, Meta(ge=-1e11, le=1e12)]
_Pages = Annotated[int, Meta(ge=0, le=10_000_000)]
_Place = Annotated[int, Meta(ge=0, le=1 << 26)]
"""Characters of one text; what is extracted from a file is shorter."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="collection"):
    """The collection. - settings: JSON. - model, dimensions: of the vectors; None and 0 without any.

    - words_only: it is to have no vectors. A model that it is about to change to is not in the file: the vectors are
    those by which it was searched.
    - sources, documents, chunks: how many come. - vectors: how many at most. - exported_at: Unix seconds, for people.
    """

    name: Name
    settings: _Json
    model: Annotated[str, Meta(min_length=1, max_length=1000)] | None
    dimensions: Annotated[int, Meta(ge=0, le=65_536)]
    sources: _Count
    documents: _Count
    chunks: _Count
    vectors: _Count
    words_only: bool = False
    exported_at: float = 0.0


class Source(msgspec.Struct, frozen=True, kw_only=True, tag="source"):
    """Where documents came from, on the machine where they were read; the rest as in `SourceInfo`.

    - own_disk: as in `SourceRow`. Without it, whoever follows an imported folder while its disk is away would lose all
    of its documents.
    """

    kind: SourceKind
    path: _Path | None
    excludes: Annotated[list[_Short], Meta(max_length=1000)]
    watch: bool
    own_disk: bool = False


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says. - sha256: of the file. - recipe: what cut it. - chunks: how many come next."""

    sha256: _Sha256
    recipe: _Short
    title: _Title
    media_type: _Short
    pages: _Pages | None
    chunks: _Count


class Document(msgspec.Struct, frozen=True, kw_only=True, tag="document"):
    """A document. - source: its number, from 0. - content: what it says; None where that is nothing or known.

    - same: it says what the document before it says. - problem: JSON. The others are as in `DocumentInfo`.
    """

    source: _Count
    path: _Path | None
    name: _Title
    size: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    mtime: _Time
    sha256: _Sha256 | None
    media_type: _Short
    title: _Title
    pages: _Pages | None
    state: DocumentState
    problem: _Json | None
    indexed_at: _Time | None
    content: Content | None = None
    same: bool = False


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A passage. - start, end: its characters in the text. - vector: 32-bit floats, little-endian, of length one."""

    text: str
    start: _Place
    end: _Place
    tokens: _Place
    heading: _Title
    page: _Pages | None
    vector: bytes | None


class Chunks(msgspec.Struct, frozen=True, kw_only=True, tag="chunks"):
    """The next chunks of the newest content, in order."""

    chunks: Annotated[list[Chunk], Meta(min_length=1, max_length=MAX_CHUNKS)]


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """- sha256: of all lengths and records before this one."""

    sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]


Record = Header | Source | Document | Chunks | End


class Unsound(Exception):
    """The file is not what it says; the text is the end of a sentence, "it ends too early"."""


class UnknownVersion(Unsound):
    """It is of another version. - version: which."""

    def __init__(self, version: int) -> None:
        super().__init__(f"its format has version {version}, not {VERSION}")
        self.version = version


class Writer:
    """Writes records to a file; `close` writes the end, without which it is worth nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packer = zlib.compressobj(_LEVEL)
        self._digest = hashlib.sha256()
        self._encoder = msgspec.msgpack.Encoder()
        file.write(PREFIX + b"%d\n" % VERSION)

    def write(self, record: Record) -> None:
        """Add a record. Raises `ValueError` for one that nobody would read."""
        body = self._encoder.encode(record)
        if len(body) > MAX_RECORD_BYTES:
            raise ValueError(f"a record of {len(body):,} bytes")
        framed = len(body).to_bytes(_LENGTH_BYTES, "big") + body
        self._digest.update(framed)
        self._file.write(self._packer.compress(framed))

    def close(self) -> None:
        """Write the end."""
        self.write(End(sha256=self._digest.digest()))
        self._file.write(self._packer.flush())


def records(file: BinaryIO) -> Iterator[Header | Source | Document | Chunks]:
    """The records of a file but for its end, which is checked. Raises `Unsound`, at the first record if need be."""
    stream = _Stream(file)
    decoder = msgspec.msgpack.Decoder(Record)
    digest = hashlib.sha256()
    while True:
        prefix = stream.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "big")
        if length > MAX_RECORD_BYTES:
            raise Unsound(f"a record claims {length:,} bytes")
        body = stream.read(length)
        try:
            record = decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Unsound(f"a record makes no sense ({error})") from error
        if isinstance(record, End):
            break
        digest.update(prefix)
        digest.update(body)
        yield record
    if record.sha256 != digest.digest():
        raise Unsound("its digest is another one")
    stream.expect_end()


class _Stream:
    """The unpacked bytes of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = _check_first_line(file)
        self._unpacked = 0
        self._unpacker = zlib.decompressobj()
        self._buffer = bytearray()

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            piece = self._piece()
            if not piece:
                raise Unsound("it ends too early")
            self._buffer += piece
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def expect_end(self) -> None:
        while not self._unpacker.eof and not self._buffer:
            if not (piece := self._piece()) and not self._unpacker.eof:
                raise Unsound("it ends too early")
            self._buffer += piece
        if self._buffer or self._unpacker.unused_data or self._file.read(1):
            raise Unsound("something comes after its end")

    def _piece(self) -> bytes:
        """Some bytes; none at the end."""
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail
            if not packed:
                packed = self._file.read(_PIECE_BYTES)
                self._packed += len(packed)
            try:
                piece = self._unpacker.decompress(packed, _PIECE_BYTES)
            except zlib.error as error:
                raise Unsound("its bytes are damaged") from error
            self._unpacked += len(piece)
            if self._unpacked > max(_UNPACKED_FLOOR, self._packed * _UNPACKED_RATIO):
                raise Unsound("it unpacks to far more than a collection does")
            if piece or not packed:
                return piece
        return b""


def _check_first_line(file: BinaryIO) -> int:
    """How many bytes it has. Raises `Unsound`."""
    line = file.readline(len(PREFIX) + 8)
    version = line[len(PREFIX) : -1]
    if not line.startswith(PREFIX) or not line.endswith(b"\n") or not version.isdigit():
        raise Unsound("it does not begin as one")
    if int(version) != VERSION:
        raise UnknownVersion(int(version))
    return len(line)
