"""The compiled llama-cpp-python: found again where it fits, made anew where it does not, never half there."""

from __future__ import annotations

import os
import runpy
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.installers.shell import CLONE, Shell

MODULE: dict[str, Any] = runpy.run_path(str(CLONE / "installers" / "wheel_key.py"))
wheel_key: Callable[[str, str, str], str] = MODULE["wheel_key"]

OBTAIN = "obtain_wheel key"
NO_DOWNLOAD = "download_wheel() { return 1; };"
SLOW_BUILD = NO_DOWNLOAD + (
    # Begun, then finished a moment later: whoever looks in between must not find it.
    'compile_wheel() { printf half >"$1/llama.whl"; echo begun >&2; sleep 0.5; printf " and half" >>"$1/llama.whl"; };'
)


def test_the_key_names_release_python_and_platform() -> None:
    release, python, platform, *_ = wheel_key("0.3.36", "-DA=1", "avx avx2").split("-")
    assert release == "0.3.36"
    assert python.startswith("cp3")
    assert platform.split("_")[0] in {"linux", "macosx"}


@pytest.mark.parametrize(
    "other",
    [("0.3.37", "-DA=1", "avx avx2"), ("0.3.36", "-DA=2", "avx avx2"), ("0.3.36", "-DA=1", "avx avx2 avx512f")],
    ids=["release", "options", "processor"],
)
def test_another_release_option_or_processor_has_another_key(other: tuple[str, str, str]) -> None:
    assert wheel_key("0.3.36", "-DA=1", "avx avx2") != wheel_key(*other)


def test_spaces_between_options_mean_nothing() -> None:
    assert wheel_key("1", "-DA=1  -DB=2 ", "") == wheel_key("1", "-DA=1 -DB=2", "")


def test_the_users_own_options_come_last_so_that_they_win(shell: Shell) -> None:
    options = shell.run('echo "$llama_cmake_args"', {"CMAKE_ARGS": "-DGGML_NATIVE=OFF -DGGML_CUDA=ON"}).stdout
    assert options.endswith("-DGGML_NATIVE=ON -DGGML_NATIVE=OFF -DGGML_CUDA=ON\n")


def test_the_release_is_the_lowest_that_the_project_allows(shell: Shell) -> None:
    version = shell.run("llama_version").stdout.strip()
    assert f'"llama-cpp-python>={version},' in (CLONE / "pyproject.toml").read_text()


def test_a_kept_wheel_is_used(shell: Shell) -> None:
    (shell.wheels / "key").mkdir(parents=True)
    (shell.wheels / "key" / "llama.whl").touch()
    result = shell.run(f"download_wheel() {{ exit 9; }}; compile_wheel() {{ exit 9; }}; {OBTAIN}")
    assert (result.returncode, result.stdout.strip()) == (0, str(shell.wheels / "key" / "llama.whl"))


def test_two_runs_at_once_end_with_one_whole_wheel(shell: Shell) -> None:
    runs = [shell.start(SLOW_BUILD + OBTAIN) for _ in range(2)]
    answers = [run.communicate(timeout=30)[0].strip() for run in runs]
    wheel = shell.wheels / "key" / "llama.whl"
    assert answers == [str(wheel)] * 2
    assert wheel.read_text() == "half and half"
    assert [path.name for path in wheel.parent.iterdir()] == ["llama.whl"]


def test_an_interrupted_build_leaves_nothing(shell: Shell) -> None:
    run = shell.start(SLOW_BUILD.replace("sleep 0.5", "while :; do sleep 0.1; done") + OBTAIN)
    assert run.stderr is not None
    assert run.stderr.readline() == "begun\n"
    os.killpg(run.pid, signal.SIGTERM)
    run.communicate(timeout=10)
    assert run.returncode != 0
    _until(lambda: list((shell.wheels / "key").iterdir()) == [])


def test_a_failed_build_shows_the_end_of_its_log_and_keeps_it(shell: Shell) -> None:
    shell.script("python", 'i=0; while [ "$i" -lt 40 ]; do i=$((i + 1)); echo "line $i."; done; exit 1')
    (shell.folder / "venv").mkdir()
    (shell.folder / "venv" / "bin").symlink_to(shell.bin)
    result = shell.run(f"{NO_DOWNLOAD} missing_packages() {{ :; }}; venv={shell.folder}/venv; {OBTAIN}")
    assert result.returncode != 0
    assert "line 11." in result.stderr
    assert "line 40." in result.stderr
    assert "line 10." not in result.stderr
    log = Path(result.stderr.rsplit("The whole log is ", 1)[1].strip())
    assert log.read_text().startswith("line 1.\n")
    assert list((shell.wheels / "key").iterdir()) == []


def test_the_compiler_is_asked_for_only_where_no_ready_made_wheel_is_found(shell: Shell) -> None:
    ready = 'download_wheel() { : >"$1/llama.whl"; };'
    assert shell.run(ready + OBTAIN).returncode == 0
    missing = shell.run(NO_DOWNLOAD + "obtain_wheel other")
    assert missing.returncode != 0
    assert "a C++ compiler" in missing.stderr


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("Collecting llama-cpp-python\n", "preparing"),
        ("  [1/140] /usr/bin/g++ -O3\n  warning: x\n  [99/140] /usr/bin/g++\n", "99 of 140 done"),
        ("  [  5%] Building CXX object a.o\n  [ 70%] Building CXX object b.o\n", "70% done"),
    ],
    ids=["before", "ninja", "make"],
)
def test_the_progress_is_read_from_the_log(shell: Shell, log: str, said: str) -> None:
    (shell.folder / "log").write_text(log)
    assert shell.run(f"objects_done {shell.folder}/log").stdout.strip() == said


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
