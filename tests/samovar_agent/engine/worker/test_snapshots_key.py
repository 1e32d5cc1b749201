"""The key that authenticates prefixes on disk."""

import os
import sys
import threading
from pathlib import Path

import pytest

from samovar_agent.engine.worker.snapshots import load_or_create_key
from samovar_protocol import FailureCode, SamovarError

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "snapshots.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert load_or_create_key(path) == key
    assert load_or_create_key(tmp_path / "other.key") != key
    assert list(path.parent.iterdir()) == [path]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


def test_two_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    keys: list[bytes] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        keys.append(load_or_create_key(tmp_path / "key"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_another_process_that_was_faster_keeps_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link = tmp_path / "key", os.link

    def link_late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        faster.append(load_or_create_key(path))
        link(source, target)

    faster: list[bytes] = []
    monkeypatch.setattr(os, "link", link_late)
    assert [load_or_create_key(path)] == faster == [path.read_bytes()]


def test_a_file_system_without_links_still_gets_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert load_or_create_key(tmp_path / "key") == (tmp_path / "key").read_bytes()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_broken_key_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert load_or_create_key(path) == path.read_bytes()
    assert len(path.read_bytes()) == 32


@posix
def test_a_key_that_others_could_read_or_choose_is_replaced(tmp_path: Path) -> None:
    path, chosen = tmp_path / "key", tmp_path / "chosen"
    path.write_bytes(bytes(32))
    path.chmod(0o644)
    assert load_or_create_key(path) != bytes(32)
    assert path.stat().st_mode & 0o777 == 0o600
    chosen.write_bytes(bytes(32))
    chosen.chmod(0o600)
    path.unlink()
    path.symlink_to(chosen)
    assert load_or_create_key(path) != bytes(32)
    assert not path.is_symlink()
    assert chosen.read_bytes() == bytes(32)


def test_a_key_that_cannot_be_written_is_a_typed_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "key", tmp_path):
        with pytest.raises(SamovarError) as raised:
            load_or_create_key(path)
        assert raised.value.code == FailureCode.DISK_FULL
