"""What a machine lacks is named at once, with the command that installs it."""

from __future__ import annotations

import sys

from tests.installers.shell import Shell

EXPLAIN = 'explain_missing "$(missing_packages)"'
NO_PYTHON = {"PYTHON": "no-such-python"}


def test_nothing_is_missing_where_everything_is_there(shell: Shell) -> None:
    shell.link("python3", sys.executable)
    shell.script("c++", "exit 0")
    shell.script("cmake", "exit 0")
    result = shell.run("missing_packages")
    assert (result.returncode, result.stdout) == (0, "")


def test_everything_missing_is_named_together(shell: Shell) -> None:
    shell.script("apt-get", "exit 0")
    result = shell.run(EXPLAIN)
    assert "Python 3.11 or newer" in result.stderr
    assert "a C++ compiler" in result.stderr
    command = result.stderr.splitlines()[-1]
    assert command.endswith("apt-get install -y python3-venv g++ cmake")
    assert "apt-get update &&" in command


def test_only_what_is_missing_is_asked_for(shell: Shell) -> None:
    shell.link("python3", sys.executable)
    shell.script("g++", "exit 0")
    assert shell.run("missing_packages").stdout == "cmake\n"


def test_root_needs_no_sudo(shell: Shell) -> None:
    shell.script("apt-get", "exit 0")
    (shell.bin / "id").unlink()
    shell.script("id", "echo 0")
    assert "sudo" not in shell.run(EXPLAIN).stderr
    shell.script("id", "echo 1000")
    assert "sudo apt-get update && sudo apt-get install -y" in shell.run(EXPLAIN).stderr


def test_the_newest_python_that_the_system_offers_is_named(shell: Shell) -> None:
    shell.script("apt-cache", 'test "$2" = python3.12-venv || test "$2" = python3.11-venv')
    assert shell.run("missing_packages", NO_PYTHON).stdout.splitlines()[0] == "python3.12-venv"


def test_a_python_that_cannot_make_environments_needs_debians_extra_package(shell: Shell) -> None:
    shell.script("python3", f'case "$2" in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"')
    package = f"python3.{sys.version_info.minor}-venv"
    assert shell.run("missing_packages").stdout.splitlines()[0] == package


def test_an_old_python_is_passed_over_for_a_newer_one(shell: Shell) -> None:
    shell.script("python3", "exit 1")
    shell.link("python3.12", sys.executable)
    assert shell.run("find_python").stdout.strip() == str(shell.bin / "python3.12")


def test_without_apt_the_names_are_still_said(shell: Shell) -> None:
    result = shell.run(EXPLAIN)
    assert "cmake" in result.stderr
    assert "apt-get" not in result.stderr
    assert "your system's package manager" in result.stderr


def test_a_missing_python_stops_before_anything_is_made(shell: Shell) -> None:
    result = shell.run(f"venv={shell.folder}/venv; make_environment demo -e x", NO_PYTHON)
    assert result.returncode != 0
    assert "Python 3.11 or newer" in result.stderr
    assert not (shell.folder / "venv").exists()
