import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from samovar_agent.engine import machine


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group tree that this process is in, at /user/app."""
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/user/app\n")
    monkeypatch.setattr(machine, "_CGROUP", root)
    monkeypatch.setattr(machine, "_MEMBERSHIP", membership)
    return root


def group(folder: Path, limit: str, used: int, inactive: int, active: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\nactive_file {active}\n")


def test_the_tightest_control_group_counts(root: Path) -> None:
    group(root / "user", "1000", 700, 60, 40)
    group(root / "user" / "app", "5000", 700, 0)
    assert machine.available_bytes() == 400
    group(root / "user", "max", 700, 100)
    assert machine.available_bytes() == 4300


@pytest.mark.parametrize("text", [None, "", "4:memory:/old\n", "0::/\n"])
def test_without_a_limit_the_machine_counts(root: Path, text: str | None) -> None:
    membership = machine._MEMBERSHIP
    membership.unlink() if text is None else membership.write_text(text)
    assert machine.available_bytes() > 10_000_000
    assert machine.usable_cores() >= 1


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("150000 100000", 1), ("200000 100000", 2)])
def test_a_quota_of_time_is_as_good_as_fewer_cores(
    root: Path, quota: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (root / "user" / "app").mkdir(parents=True)
    (root / "user" / "app" / "cpu.max").write_text("max 100000\n")
    assert machine.usable_cores() == 8
    (root / "user" / "cpu.max").write_text(quota + "\n")
    assert machine.usable_cores() == cores


def test_a_process_is_measured_and_one_that_is_gone_takes_nothing() -> None:
    own = os.getpid()
    assert machine.resident_bytes(own) > machine.mapped_bytes(own)
    assert machine.processor_seconds(own) > 0
    for pid in (None, 2**22 + 1):
        assert (machine.resident_bytes(pid), machine.mapped_bytes(pid), machine.processor_seconds(pid)) == (0, 0, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_stopped_process_is_known() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not machine.is_stopped(child.pid)
        child.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not machine.is_stopped(child.pid):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        child.kill()
    assert not machine.is_stopped(child.pid)
