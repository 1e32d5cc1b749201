"""The single-instance lock."""

import subprocess
import sys
from pathlib import Path

import pytest

from samovar_agent import lock


def test_a_second_holder_is_refused_at_once_where_the_first_stays(tmp_path: Path) -> None:
    with lock.acquire(tmp_path / "run" / "lock", hopeless=lambda: False) as held:
        assert (tmp_path / "run" / "lock").read_text().strip().isdigit()
        with pytest.raises(lock.AlreadyRunning):
            lock.acquire(tmp_path / "run" / "lock", hopeless=lambda: True)
        held.close()
        lock.acquire(tmp_path / "run" / "lock", hopeless=lambda: True).close()


def test_a_holder_that_is_stopping_is_waited_for(tmp_path: Path) -> None:
    held = lock.acquire(tmp_path / "lock", hopeless=lambda: False)
    looks = 0

    def hopeless() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            held.close()
        return False

    lock.acquire(tmp_path / "lock", hopeless=hopeless, patience=30).close()
    assert looks == 3


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    script = f"""
import os, pathlib
from samovar_agent import lock
held = lock.acquire(pathlib.Path({str(tmp_path / "lock")!r}), hopeless=lambda: True)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    lock.acquire(tmp_path / "lock", hopeless=lambda: True).close()
