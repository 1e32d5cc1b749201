"""How records lie in the file, and files that are not as they should be."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.transfer_format import Unsound

HEADER = form.Header(
    name="papers", settings="{}", model=None, dimensions=0, sources=0, documents=0, chunks=0, vectors=0
)
SOURCE = form.Source(kind="folder", path="/a", excludes=["*.tmp"], watch=True)
CHUNK = form.Chunk("tea " * 100, 0, 400, 100, "Tea", None, b"\\0" * 16)


def written(*records: form.Record) -> bytes:
    file = io.BytesIO()
    writer = form.Writer(file)
    for record in records:
        writer.write(record)
    writer.close()
    return file.getvalue()


def packed(stream: bytes) -> bytes:
    return form.PREFIX + b"1\n" + zlib.compress(stream)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def read(content: bytes) -> list[form.Record]:
    return list(form.records(io.BytesIO(content)))


RECORDS: list[form.Record] = [HEADER, SOURCE, form.Chunks(chunks=[CHUNK] * 50)]
SOUND = written(*RECORDS)
STREAM = zlib.decompress(SOUND[len(form.PREFIX) + 2 :])


def test_there_and_back() -> None:
    assert read(SOUND) == RECORDS
    assert read(written()) == []


def test_the_first_line_says_what_it_is() -> None:
    assert SOUND.startswith(b"samovar collection 1\n")
    for content in (b"", b"PK\x03\x04", b"samovar collection", b"samovar collection x\n", b"samovar collection 1"):
        with pytest.raises(Unsound, match="does not begin as one"):
            read(content)
    with pytest.raises(form.UnknownVersion) as unknown:
        read(SOUND.replace(b"1\n", b"7\n", 1))
    assert unknown.value.version == 7


def test_cut_off_anywhere() -> None:
    for length in range(len(form.PREFIX) + 2, len(SOUND)):
        with pytest.raises(Unsound, match="ends too early"):
            read(SOUND[:length])


def test_every_changed_bit_is_noticed_or_means_nothing() -> None:
    """A repetition may be of another place that says the same, and the last byte is filled up."""
    refused = 0
    for place in range(len(SOUND)):
        for bit in (0, 3, 7):
            content = bytearray(SOUND)
            content[place] ^= 1 << bit
            try:
                assert read(bytes(content)) == RECORDS
            except Unsound:
                refused += 1
    assert refused > 2 * len(SOUND)


def test_a_change_that_keeps_the_checksum_of_the_stream_is_noticed() -> None:
    with pytest.raises(Unsound, match="digest"):
        read(packed(STREAM.replace(b"tea ", b"lie ", 1)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stream: stream + b"x", "after its end"),
        (lambda stream: stream + framed(msgspec.msgpack.encode(SOURCE)), "after its end"),
        (lambda stream: b"\xff\xff\xff\xff" + stream, "claims 4,294,967,295 bytes"),
        (lambda stream: framed(b"") + stream, "makes no sense"),
        (lambda stream: framed(b"\x91" * 100_000) + stream, "makes no sense"),
        (lambda stream: framed(b"\x83\xa4type\xa6source\xa1x" + b"\x91" * 100_000) + stream, "makes no sense"),
        (lambda stream: framed(b"\xdd\xff\xff\xff\xff") + stream, "makes no sense"),
        (lambda stream: framed(msgspec.msgpack.encode({"type": "pickle"})) + stream, "makes no sense"),
        (lambda stream: framed(msgspec.msgpack.encode({"type": "source"})) + stream, "makes no sense"),
        (lambda stream: stream.replace(b"*.tmp", b"\xed\xa0\x80mp", 1), "makes no sense"),
    ],
)
def test_a_stream_that_is_none(change: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(Unsound, match=words):
        read(packed(change(STREAM)))


def test_what_comes_after_the_stream() -> None:
    with pytest.raises(Unsound, match="after its end"):
        read(SOUND + b"x")


@pytest.mark.parametrize("record", [b"\x00" * (1 << 20), framed(msgspec.msgpack.encode(SOURCE)) * 20_000])
def test_a_bomb_is_not_unpacked(record: bytes) -> None:
    squeezer = zlib.compressobj(9)
    content = form.PREFIX + b"1\n" + b"".join(squeezer.compress(record) for _ in range(300)) + squeezer.flush()
    assert len(content) < 2_000_000
    seen = 0
    with pytest.raises(Unsound, match=r"unpacks to far more|makes no sense"):
        for _ in form.records(io.BytesIO(content)):
            seen += 1
    assert seen < 2_000_000


def test_a_list_that_is_too_long_is_not_even_begun() -> None:
    body = msgspec.msgpack.encode({"type": "chunks", "chunks": [["", 0, 0, 0, "", None, None]] * 1_000_000})
    with pytest.raises(Unsound, match="<= 256"):
        read(packed(framed(body)))


def test_a_record_that_is_too_large_is_not_written() -> None:
    with pytest.raises(ValueError, match="bytes"):
        written(form.Chunks(chunks=[form.Chunk("x" * (form.MAX_RECORD_BYTES + 1), 0, 0, 0, "", None, None)]))


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused(content: bytes) -> None:
    for bytes_ in (content, form.PREFIX + b"1\n" + content, packed(content), packed(framed(content))):
        with pytest.raises(Unsound):
            read(bytes_)


@given(st.data())
def test_any_damage_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(STREAM) - 1))
    end = data.draw(st.integers(start, len(STREAM)))
    content = STREAM[:start] + data.draw(st.binary(max_size=40)) + STREAM[end:]
    if content != STREAM:
        with pytest.raises(Unsound):
            read(packed(content))


def test_the_digest_is_of_all_before_the_end() -> None:
    end = framed(msgspec.msgpack.encode(form.End(sha256=hashlib.sha256(STREAM).digest())))
    assert read(packed(end.replace(hashlib.sha256(STREAM).digest(), hashlib.sha256(b"").digest()))) == []
