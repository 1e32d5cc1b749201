"""Prefixes on disk: only what was saved comes back, the budget holds, and faults cost a recomputation at most."""

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from samovar_agent import platforms
from samovar_agent.engine.worker import snapshots as snapshots_module
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore, load_or_create_key
from samovar_protocol import FailureCode, SamovarError

KEY = bytes(range(32))
BINDING = Binding(model="5a" * 32, runtime="llama.cpp 1", settings={"type_k": "f16", "flash_attention": "auto"})
OVERHEAD = 56 + 32 + 32
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")


def store(
    folder: Path, key: bytes = KEY, binding: Binding = BINDING, budget: int = 1 << 20, trimmable: bool = True
) -> SnapshotStore:
    return SnapshotStore(folder / "snapshots", key, binding, budget, trimmable=trimmable)


def files(folder: Path) -> list[Path]:
    try:
        return sorted((folder / "snapshots").iterdir())
    except FileNotFoundError:
        return []


def restored(snapshots: SnapshotStore, tokens: Sequence[int]) -> bytes | None:
    entry = snapshots.longest(tokens)
    return snapshots.read(entry) if entry else None


def test_a_state_comes_back_after_a_restart(tmp_path: Path) -> None:
    assert store(tmp_path).save([1, 2, 3], b"state")
    again = store(tmp_path)
    entry = again.longest([1, 2, 3, 4])
    assert entry is not None
    assert (entry.length, entry.state_bytes) == (3, 5)
    assert again.read(entry) == b"state"
    assert again.longest([1, 2]) is None
    assert again.longest([9, 2, 3]) is None
    assert again.longest([]) is None


def test_a_state_may_lie_in_memory_of_c(tmp_path: Path) -> None:
    state = (ctypes.c_uint8 * 100_000)(*random.Random(1).randbytes(100_000))
    snapshots = store(tmp_path)
    assert snapshots.save([7], memoryview(state))
    assert restored(snapshots, [7]) == bytes(state)


def test_nothing_on_disk_means_nothing_found(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    assert snapshots.longest([1]) is None
    assert snapshots.nearest([1]) is None
    snapshots.prune()
    assert not snapshots.save([], b"state")
    assert not (tmp_path / "snapshots").exists()


def test_saving_the_same_again_writes_nothing(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1, 2], b"state")
    before = files(tmp_path)[0].stat()
    assert snapshots.save([1, 2], b"state")
    after = files(tmp_path)[0].stat()
    assert before.st_ino == after.st_ino
    assert before.st_mtime_ns < after.st_mtime_ns


def test_a_longer_prefix_replaces_those_it_contains(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1, 2], b"two")
    snapshots.save([1, 9], b"other")
    snapshots.save([1, 2, 3], b"three")
    assert len(files(tmp_path)) == 2
    assert snapshots.longest([1, 2, 8]) is None
    match = snapshots.nearest([1, 2, 8])
    assert match is not None
    assert (snapshots.read(match[0]), match[1]) == (b"three", 2)
    assert snapshots.save([1, 2], b"two")
    assert len(files(tmp_path)) == 2


def test_where_a_state_cannot_be_cut_back_each_prefix_is_kept(tmp_path: Path) -> None:
    snapshots = store(tmp_path, trimmable=False)
    for length in (2, 3, 1):
        assert snapshots.save([1, 2, 3][:length], b"state" * length)
    snapshots.prune()
    assert len(files(tmp_path)) == 3
    assert restored(snapshots, [1, 2, 8]) == b"statestate"


def test_the_smallest_of_equally_near_prefixes_is_taken(tmp_path: Path) -> None:
    snapshots = store(tmp_path)
    snapshots.save([1, 2, 3, 4], b"large state")
    snapshots.save([1, 2, 5], b"small")
    match = snapshots.nearest([1, 2, 6])
    assert match is not None
    assert (match[0].state_bytes, match[1]) == (5, 2)
    assert snapshots.nearest([2]) is None


Token = st.integers(0, 2)


def shared(one: list[int], other: list[int]) -> int:
    return max(length for length in range(len(one) + 1) if other[:length] == one[:length])


@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    saved=st.lists(st.lists(Token, min_size=1, max_size=6), max_size=12),
    wanted=st.lists(st.lists(Token, max_size=8), max_size=8),
    trimmable=st.booleans(),
)
def test_the_right_prefix_among_many(
    tmp_path_factory: pytest.TempPathFactory, saved: list[list[int]], wanted: list[list[int]], trimmable: bool
) -> None:
    folder = tmp_path_factory.mktemp("many")
    snapshots = store(folder, trimmable=trimmable)
    for tokens in saved:
        assert snapshots.save(tokens, bytes(tokens))
    kept = [
        tokens
        for tokens in saved
        if not trimmable or not any(len(other) > len(tokens) and other[: len(tokens)] == tokens for other in saved)
    ]
    assert len(files(folder)) == len({tuple(tokens) for tokens in kept})
    for one in (snapshots, store(folder, trimmable=trimmable)):
        for tokens in wanted:
            longest = max((len(each) for each in kept if tokens[: len(each)] == each), default=0)
            assert restored(one, tokens) == (bytes(tokens[:longest]) if longest else None)
            most = max((shared(each, tokens) for each in kept), default=0)
            match = one.nearest(tokens)
            assert (match[1] if match else 0) == most


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


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    size = OVERHEAD + 4 + 100
    snapshots = store(tmp_path, budget=3 * size)
    for token in (1, 2, 3):
        assert snapshots.save([token], b"s" * 100)
    assert restored(snapshots, [1]) is not None  # now 2 is the oldest
    assert snapshots.save([4], b"s" * 100)
    assert [bool(snapshots.longest([token])) for token in (1, 2, 3, 4)] == [True, False, True, True]
    assert sum(file.stat().st_size for file in files(tmp_path)) == 3 * size


def test_a_contained_prefix_makes_room_before_older_ones(tmp_path: Path) -> None:
    snapshots = store(tmp_path, budget=2 * (OVERHEAD + 8 + 100))
    snapshots.save([5], b"s" * 100)
    snapshots.save([1], b"s" * 100)
    assert snapshots.save([1, 2], b"s" * 100)
    assert snapshots.longest([5]) is not None


def test_a_state_over_the_budget_is_skipped_and_costs_the_others_nothing(tmp_path: Path) -> None:
    snapshots = store(tmp_path, budget=1000)
    assert snapshots.save([1], b"state")
    assert not snapshots.save([2], b"s" * 1000)
    assert not snapshots.save([2], b"s" * (1000 - OVERHEAD - 4 + 1))
    assert len(files(tmp_path)) == 1
    assert snapshots.save([2], b"s" * (1000 - OVERHEAD - 4))
    assert snapshots.longest([1]) is None


def test_the_budget_counts_other_models_too(tmp_path: Path) -> None:
    store(tmp_path, binding=Binding("other", "")).save([1], b"s" * 500)
    assert store(tmp_path, budget=1000).save([1], b"s" * 500)
    assert len(files(tmp_path)) == 1


def test_prune_applies_a_smaller_budget_and_drops_contained_prefixes(tmp_path: Path) -> None:
    keeping = store(tmp_path, trimmable=False)
    for tokens in ([7], [1], [1, 2], [1, 2, 3]):
        keeping.save(tokens, b"s" * 100)
    store(tmp_path, budget=3 * (OVERHEAD + 12 + 100)).prune()
    assert store(tmp_path).longest([7]) is None
    assert len(files(tmp_path)) == 1
    assert store(tmp_path).longest([1, 2, 3]) is not None


def test_the_budget_holds_while_writing(tmp_path: Path) -> None:
    budget = 3_000_000
    snapshots = store(tmp_path, budget=budget)
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            total = 0
            for file in files(tmp_path):
                with contextlib.suppress(FileNotFoundError):
                    total += file.stat().st_size
            seen.append(total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for token in range(20):
        assert snapshots.save([token], bytes(900_000))
    done.set()
    watcher.join()
    assert 900_000 < max(seen) <= budget


def test_two_workers_that_find_the_same_room_do_not_both_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (store(tmp_path, budget=1000, binding=Binding(model, "")) for model in ("one", "other"))
    lock = platforms.try_lock

    def saved_meanwhile(file: IO[bytes]) -> bool:
        monkeypatch.setattr(snapshots_module, "try_lock", lock)
        locked = lock(file)
        assert other.save([1], b"s" * 800)
        return locked

    monkeypatch.setattr(snapshots_module, "try_lock", saved_meanwhile)
    one.save([1], b"s" * 800)
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 1000
    assert restored(one, [1]) or restored(other, [1])


def test_workers_that_share_a_folder_see_each_others_files(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    assert one.longest([1, 2]) is None
    other.save([1, 2], b"state")
    entry = one.longest([1, 2])
    assert entry is not None
    other.save([1, 2, 3], b"longer")
    assert one.read(entry) is None
    assert restored(one, [1, 2, 3]) == b"longer"


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


def test_a_folder_that_cannot_be_made_is_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("")
    snapshots = store(tmp_path)
    assert not snapshots.save([1], b"state")
    assert snapshots.longest([1]) is None
    snapshots.prune()


SAVE_AND_WAIT = """
import os, sys, time
from pathlib import Path
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore
def stuck(descriptor):
    print("written", flush=True)
    time.sleep(60)
os.fsync = stuck
SnapshotStore(Path(sys.argv[1]), bytes(range(32)), Binding("m", "r"), 1 << 20).save([1, 2], b"state" * 1000)
"""
SAVE_ALWAYS = """
import itertools, sys
from pathlib import Path
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore
store = SnapshotStore(Path(sys.argv[1]), bytes(range(32)), Binding("m", "r"), 10_000_000)
for token in itertools.count():
    assert store.save([token, 1], token.to_bytes(4, "little") * 500_000)
"""


@contextlib.contextmanager
def child(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_kill_9_before_the_rename_leaves_nothing_that_is_trusted_or_stays(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    binding = Binding("m", "r")
    with child(SAVE_AND_WAIT, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        store(tmp_path, binding=binding).prune()
        (partial,) = files(tmp_path)
        assert partial.suffix == ".partial"  # its writer lives, so it was left alone
        assert partial.stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    snapshots = store(tmp_path, binding=binding)
    assert snapshots.longest([1, 2]) is None
    snapshots.prune()
    assert files(tmp_path) == []
    assert snapshots.save([1, 2], b"state")


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_kill_9_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    chance = random.Random(5)
    binding = Binding("m", "r")
    for _ in range(4):
        with child(SAVE_ALWAYS, tmp_path / "snapshots") as process:
            deadline = time.monotonic() + 30
            polls = chance.randrange(400)
            while (polls or not any(file.suffix == ".snapshot" for file in files(tmp_path))) and (
                time.monotonic() < deadline
            ):
                polls -= polls > 0 and any(file.suffix == ".partial" for file in files(tmp_path))
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        snapshots = store(tmp_path, binding=binding, budget=10_000_000)
        snapshots.prune()
        assert all(file.suffix == ".snapshot" for file in files(tmp_path))
        states = {token: restored(snapshots, [token, 1]) for token in range(500)}
        found = {token: state for token, state in states.items() if state is not None}
        assert len(found) == len(files(tmp_path)) > 0
        assert all(state == token.to_bytes(4, "little") * 500_000 for token, state in found.items())


@pytest.mark.processes
def test_a_full_disk_is_not_fatal(tmp_path: Path) -> None:
    inner = """
import os, pathlib, sys
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore, load_or_create_key
from samovar_protocol import SamovarError
root = pathlib.Path(sys.argv[1])
key = load_or_create_key(root / "snapshots.key")
store = SnapshotStore(root / "snapshots", key, Binding("m", "r"), 1 << 30)
assert store.save([1], b"a" * 10_000)
before = os.listdir(root / "snapshots")
for size in (100_000, 1_000_000, 60_000):
    assert not store.save([2], b"b" * size), size
    assert os.listdir(root / "snapshots") == before
assert store.read(store.longest([1])) == b"a" * 10_000
assert store.save([3], b"c" * 10_000)
try:
    (root / "filler").write_bytes(b"x" * 10_000_000)
except OSError:
    pass
assert not store.save([4], b"d" * 10_000)
try:
    load_or_create_key(root / "other.key")
except SamovarError as error:
    assert error.code == "disk_full", error.code
else:
    sys.exit("the disk was not full")
assert sorted(os.listdir(root)) == ["filler", "snapshots", "snapshots.key"], os.listdir(root)
assert len(os.listdir(root / "snapshots")) == 2
"""
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "$0" -c "$1" "{tmp_path}"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, inner], capture_output=True, text=True, timeout=60
    )
    if "unshare" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"needs a mount namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr


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
