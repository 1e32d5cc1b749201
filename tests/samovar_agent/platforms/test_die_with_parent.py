import os
import subprocess
import sys
import time

import psutil
import pytest

from samovar_agent.platforms import linux, macos, windows


@pytest.mark.parametrize("module", [linux, macos, windows])
def test_every_system_has_the_same_face(module: object) -> None:
    for name in ("binary_pipes", "die_with_parent", "keep_child"):
        assert callable(getattr(module, name))


def test_what_a_system_does_not_need_does_nothing() -> None:
    for module in (linux, macos, windows):
        if sys.platform != "win32":
            module.keep_child(os.getpid())
            module.binary_pipes(0, 1)
    if sys.platform != "win32":
        windows.die_with_parent(1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends workers by their job")
def test_a_parent_that_is_gone_already_ends_the_child() -> None:
    code = "from samovar_agent.platforms import die_with_parent; die_with_parent(1 << 30); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stdout == b""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_child_deaf_to_its_pipe_still_dies_with_its_parent() -> None:
    child = (
        "import os, time; from samovar_agent.platforms import die_with_parent;"
        "die_with_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
    )
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
