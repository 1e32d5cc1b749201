"""Faults while saving cost a recomputation at most: no folder, a full disk, a worker that is killed."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samovar_agent.engine.worker.snapshots import Binding
from tests.samovar_agent.engine.worker.snapshot_files import files, restored, store


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
