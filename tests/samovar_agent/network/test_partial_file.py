"""Bytes on their way and the journal beside them, also after crashes at every place."""

from __future__ import annotations

import errno
import hashlib
import random
from pathlib import Path

import pytest

from samovar_agent.network import partial_file
from samovar_agent.network.partial_file import JOURNAL, PARTIAL, PartialFile
from samovar_protocol import FailureCode, SamovarError

CHUNK = 1000
CONTENT = random.Random(5).randbytes(4321)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "p" / "m" / "model.gguf"


def opened(target: Path, sha256: str | None = SHA256, size_bytes: int = len(CONTENT)) -> PartialFile:
    return PartialFile.open(target, size_bytes=size_bytes, sha256=sha256, chunk_bytes=CHUNK)


def put(file: PartialFile, start: int, end: int) -> int:
    return file.write(start, CONTENT[start:end])


def partial(target: Path) -> Path:
    return target.with_name(target.name + PARTIAL)


def journal(target: Path) -> Path:
    return target.with_name(target.name + JOURNAL)


def test_a_file_in_pieces_gets_its_name_when_it_is_whole(target: Path) -> None:
    file = opened(target)
    assert file.missing() == [(0, 4321)]
    put(file, 2000, 4321)
    put(file, 0, 1500)
    assert (file.missing(), file.done_bytes) == ([(1500, 2000)], 3821)
    put(file, 1500, 2000)
    assert file.missing() == []
    assert file.digest() == SHA256
    assert not target.exists()
    file.finish()
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_it_goes_on_at_the_byte(target: Path) -> None:
    file = opened(target)
    put(file, 0, 1234)
    put(file, 3000, 3007)
    again = opened(target)  # the first one was never closed, as by a kill
    assert again.missing() == [(1234, 3000), (3007, 4321)]
    assert again.done_bytes == 1241
    put(again, 1234, 3000)
    put(again, 3007, 4321)
    assert again.digest() == SHA256


def test_what_is_here_already_is_left_out(target: Path) -> None:
    file = opened(target)
    assert put(file, 0, 1500) == 1500
    assert put(file, 1000, 1600) == 100
    assert put(file, 0, 1600) == 0
    assert file.missing() == [(1600, 4321)]


@pytest.mark.parametrize("at", [0, 999, 1000, 1200])
def test_a_flipped_byte_costs_one_chunk(target: Path, at: int) -> None:
    put(opened(target), 0, 4321)
    data = bytearray(partial(target).read_bytes())
    data[at] ^= 1
    partial(target).write_bytes(data)
    file = opened(target)
    assert file.missing() == []  # nobody reads forty gigabytes at each start
    assert file.digest() != SHA256
    start = at // CHUNK * CHUNK
    assert file.missing() == [(start, start + CHUNK)]
    assert opened(target).missing() == [(start, start + CHUNK)]
    put(file, start, start + CHUNK)
    assert file.digest() == SHA256


def test_a_begun_chunk_that_the_disk_changed_begins_anew(target: Path) -> None:
    put(opened(target), 0, 1500)
    data = bytearray(partial(target).read_bytes())
    data[1400] ^= 1
    partial(target).write_bytes(data)
    assert opened(target).missing() == [(1000, 4321)]


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_journal_that_was_cut_short(target: Path, cut: int) -> None:
    file = opened(target)
    put(file, 0, 1500)
    put(file, 1500, 1700)
    lines = journal(target).read_bytes()
    journal(target).write_bytes(lines[:-cut])
    again = opened(target)
    (start, end) = again.missing()[0]
    assert 1000 <= start <= 1700
    put(again, start, end)
    assert opened(target).missing() == []  # the cut line did not swallow the ones after it
    assert again.digest() == SHA256


def test_bytes_that_a_power_cut_took(target: Path) -> None:
    put(opened(target), 0, 2500)
    partial(target).write_bytes(CONTENT[:1800])
    assert opened(target).missing() == [(1000, 4321)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\x00" * 500,
        b"[0, 1000]",
        b'[0, -5, "x"]',
        b'[0, 99999999999999999999999, "x"]',
        b'[-1, 1000, "x"]',
        b'[99, 1000, "x"]',
        b'[1, 2000, "x"]',
        b'{"format": 1}',
        b"[" * 10_000,
        b'"\xff"',
    ],
)
def test_lines_that_say_nothing_are_passed_over(target: Path, line: bytes) -> None:
    put(opened(target), 0, 1000)
    with journal(target).open("ab") as file:
        file.write(line + b"\n")
    again = opened(target)
    assert again.missing() in ([(1000, 4321)], [(0, 4321)])
    start, end = again.missing()[0]
    put(again, start, end)
    assert again.digest() == SHA256


@pytest.mark.parametrize("lost", [PARTIAL, JOURNAL])
def test_one_without_the_other_is_nothing(target: Path, lost: str) -> None:
    put(opened(target), 0, 1500)
    target.with_name(target.name + lost).unlink()
    assert opened(target).missing() == [(0, 4321)]


def test_bytes_of_another_file_are_dropped(target: Path) -> None:
    put(opened(target), 0, 1500)
    assert opened(target, sha256="0" * 64).missing() == [(0, 4321)]
    put(opened(target, sha256=None), 0, 1500)
    assert opened(target, sha256=None).done_bytes == 1500
    assert opened(target, sha256=None, size_bytes=5000).missing() == [(0, 5000)]


def test_where_it_came_from_is_kept(target: Path) -> None:
    file = opened(target)
    assert (file.url, file.etag) == ("", None)
    file.came_from("http://a/b", '"v1"')
    put(file, 0, 10)
    again = opened(target)
    assert (again.url, again.etag, again.done_bytes) == ("http://a/b", '"v1"', 10)
    again.restart()
    assert (again.url, again.etag, again.missing()) == ("", None, [(0, 4321)])


def test_how_much_there_is_without_opening_it(target: Path) -> None:
    arguments = {"size_bytes": len(CONTENT), "sha256": SHA256}
    assert partial_file.done_bytes(target, **arguments) == 0  # type: ignore[arg-type]
    file = PartialFile.open(target, size_bytes=len(CONTENT), sha256=SHA256)
    put(file, 0, 1500)
    assert partial_file.done_bytes(target, **arguments) == 1500  # type: ignore[arg-type]
    partial_file.remove(target)
    assert list(target.parent.iterdir()) == []
    partial_file.remove(target)


def test_a_long_journal_is_written_anew(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_file, "_LONGEST_JOURNAL", 2000)
    file = opened(target)
    file.came_from("http://a/b", '"v1"')
    for at in range(0, 3500, 7):
        put(file, at, at + 7)
        assert journal(target).stat().st_size < 2200
    again = opened(target)
    assert (again.missing(), again.etag) == ([(3500, 4321)], '"v1"')


def test_a_full_disk_is_told_and_what_came_before_stays(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(target)
    put(file, 0, 1500)

    class Full:
        def __init__(self, room: int) -> None:
            self.room = room

        def seek(self, _: int) -> None: ...

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = min(self.room, len(data))
            self.room -= taken
            return taken

        def close(self) -> None: ...

    monkeypatch.setattr(file, "_file", Full(100))
    with pytest.raises(SamovarError) as caught:
        put(file, 1500, 2500)
    assert caught.value.code == FailureCode.DISK_FULL
    assert "kept" in caught.value.hint
    assert opened(target).missing() == [(1500, 4321)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("a file")
    with pytest.raises(SamovarError) as caught:
        opened(tmp_path / "p" / "model.gguf")
    assert caught.value.code == FailureCode.DISK_FULL
