"""Prefixes on disk: only what was saved comes back, the right one of many, and within the budget."""

import contextlib
import ctypes
import random
import threading
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from samovar_agent import platforms
from samovar_agent.engine.worker import snapshots as snapshots_module
from samovar_agent.engine.worker.snapshots import Binding
from tests.samovar_agent.engine.worker.snapshot_files import OVERHEAD, files, restored, store


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
