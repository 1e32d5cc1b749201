"""The shell scripts are what their first lines say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installers.shell import CLONE

SCRIPTS = sorted((*CLONE.glob("installers/*.sh"), *CLONE.glob("tests/*.sh"), CLONE / ".ci" / "run"))


def test_the_scripts_are_found() -> None:
    assert {path.name for path in SCRIPTS} >= {"demo.sh", "environment.sh", "run.sh", "run"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    # dash where there is one: it knows POSIX and nothing more, as `sh` does on Debian and Ubuntu.
    parser = "bash" if "bash" in first else shutil.which("dash") or "sh"
    result = subprocess.run([parser, "-n", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if path.name != "environment.sh"], ids=lambda path: path.name
)
def test_a_script_that_people_run_stops_at_the_first_error(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#!")
    assert os.access(path, os.X_OK)
    assert any(line.startswith("set -eu") for line in lines)
