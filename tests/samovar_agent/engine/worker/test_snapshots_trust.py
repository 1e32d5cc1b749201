"""What is on disk is not believed: changed, cut off, foreign, or put there by somebody else."""

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from samovar_agent.engine.worker.snapshots import Binding
from tests.samovar_agent.engine.worker.snapshot_files import BINDING, OVERHEAD, files, restored, store

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    store(tmp_path).save([1, 2], b"state")
    (file,) = files(tmp_path)
    good = file.read_bytes()
    assert len(good) == OVERHEAD + 2 * 4 + 5
    for at in range(len(good)):
        for change in (0x01, 0x80, 0xFF):
            file.write_bytes(good[:at] + bytes([good[at] ^ change]) + good[at + 1 :])
            assert restored(store(tmp_path), [1, 2]) is None, at
            assert not file.exists(), at


def test_a_change_after_the_index_was_built_is_noticed(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1, 2], b"state")
    (file,) = files(tmp_path)
    good = file.read_bytes()
    for at in range(len(good)):
        file.write_bytes(good)
        entry = snapshots.longest([1, 2])
        assert entry is not None
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert snapshots.read(entry) is None, at
        assert snapshots.longest([1, 2]) is None
        assert not file.exists(), at


def test_every_wrong_length_is_noticed(tmp_path: Path) -> None:
    store(tmp_path).save([1, 2], b"state")
    (file,) = files(tmp_path)
    good = file.read_bytes()
    for wrong in [*(good[:length] for length in range(len(good))), good + b"\0", good + good]:
        file.write_bytes(wrong)
        assert store(tmp_path).longest([1, 2]) is None
        assert not file.exists()


def test_one_file_under_anothers_name_is_noticed(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1, 2], b"state")
    entry = snapshots.longest([1, 2])
    assert entry is not None
    snapshots.save([5, 6], b"other")
    other = next(file for file in files(tmp_path) if file != entry.path)
    other.replace(entry.path)
    assert snapshots.read(entry) is None
    assert files(tmp_path) == []


def test_claimed_sizes_are_not_believed(tmp_path: Path) -> None:
    store(tmp_path).save([1, 2], b"state")
    (file,) = files(tmp_path)
    good = file.read_bytes()
    for at, size in ((12, 4), (16, 8)):  # token count, state length
        file.write_bytes(good[:at] + b"\xff" * size + good[at + size :])
        assert store(tmp_path).longest([1, 2]) is None
        assert not file.exists()
    count = 1 << 25  # a file as large as it says, without using room, whose tokens would be 128 MB
    file.write_bytes(good[:12] + count.to_bytes(4, sys.byteorder) + good[16:])
    os.truncate(file, OVERHEAD + count * 4 + 5)
    tracemalloc.start()
    assert store(tmp_path).longest([1, 2]) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not file.exists()
    assert most < 10_000_000


@pytest.mark.parametrize(
    "binding",
    [
        Binding(BINDING.model, "llama.cpp 2", BINDING.settings),
        Binding(BINDING.model, BINDING.runtime, {**BINDING.settings, "type_k": "q8_0"}),
        Binding(BINDING.model, BINDING.runtime),
    ],
)
def test_another_runtime_or_setting_deletes_what_it_cannot_use(tmp_path: Path, binding: Binding) -> None:
    store(tmp_path).save([1], b"state")
    assert store(tmp_path, binding=binding).longest([1]) is None
    assert files(tmp_path) == []


def test_another_model_leaves_the_file_alone_unless_it_bears_its_name(tmp_path: Path) -> None:
    other = Binding("other", BINDING.runtime, BINDING.settings)
    store(tmp_path).save([1], b"mine")
    (mine,) = files(tmp_path)
    store(tmp_path, binding=other).save([1], b"other")
    assert restored(store(tmp_path, binding=other), [1]) == b"other"
    assert restored(store(tmp_path), [1]) == b"mine"
    (others,) = (file for file in files(tmp_path) if file != mine)
    mine.replace(others)
    assert store(tmp_path, binding=other).longest([1]) is None
    assert files(tmp_path) == []


def test_settings_have_no_order() -> None:
    turned = Binding(BINDING.model, BINDING.runtime, dict(reversed([*BINDING.settings.items()])))
    assert turned.digest() == BINDING.digest()


def test_another_key_deletes_what_it_did_not_sign(tmp_path: Path) -> None:
    store(tmp_path).save([1], b"state")
    assert store(tmp_path, key=bytes(32)).longest([1]) is None
    assert files(tmp_path) == []
    with pytest.raises(ValueError, match="32 bytes"):
        store(tmp_path, key=b"")


@posix
def test_only_the_owner_can_read(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir(mode=0o755)
    store(tmp_path).save([1], b"state")
    assert (tmp_path / "snapshots").stat().st_mode & 0o777 == 0o700
    assert files(tmp_path)[0].stat().st_mode & 0o777 == 0o600


@posix
def test_links_are_deleted_and_not_followed(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1], b"state")
    (file,) = files(tmp_path)
    target = tmp_path / "elsewhere"
    file.rename(target)
    file.symlink_to(target)
    assert store(tmp_path).longest([1]) is None
    assert not file.is_symlink()
    assert target.exists()


@posix
def test_a_link_put_in_place_later_is_not_followed(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1], b"state")
    (file,) = files(tmp_path)
    entry = snapshots.longest([1])
    assert entry is not None
    target = tmp_path / "elsewhere"
    file.rename(target)
    file.symlink_to(target)
    assert snapshots.read(entry) is None
    assert not file.is_symlink()
    assert target.exists()


@posix
def test_a_pipe_or_a_folder_under_a_snapshots_name_stops_nothing(tmp_path: Path) -> None:
    store(tmp_path).save([1], b"state")
    (file,) = files(tmp_path)
    file.unlink()
    os.mkfifo(file)
    assert store(tmp_path).longest([1]) is None
    assert not file.exists()
    file.mkdir()
    snapshots = store(tmp_path)
    assert snapshots.longest([1]) is None
    assert not snapshots.save([1], b"state")
    assert snapshots.save([2], b"state")
    assert restored(snapshots, [2]) == b"state"


def test_other_files_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "README.txt").write_bytes(bytes(5000))
    snapshots = store(tmp_path, budget=1000)
    assert snapshots.save([1], b"state")
    snapshots.prune()
    assert len(files(tmp_path)) == 2
