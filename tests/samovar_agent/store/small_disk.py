"""Runs a script of this folder on a file system that is soon full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run_on_small_disk(folder: Path, script: str, megabytes: int) -> None:
    """Run the module `script` with `folder`, which is a disk of this size for it alone; it must say "all checked".

    - script: of this folder, or with all its packages.
    """
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs Linux and `unshare` (apt install util-linux) for a small disk")
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"this machine permits no file system of our own: {probe.stderr.strip()}")
    mount = f'mount -t tmpfs -o size={megabytes}m samovar "$1" && exec "$2" -m "$3" "$1"'
    module = script if "." in script else f"tests.samovar_agent.store.{script}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", str(folder), sys.executable, module],
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "all checked\n", done.stderr
