"""Fetching programs from the package indexes, once: into a folder of the cache, never into our own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

PATIENCE = 600.0


def from_pypi(*requirements: str) -> Path:
    """The folder with the programs of these packages; skips the test where they cannot be had."""
    folder = _folder("pypi", requirements)
    if not (folder / "complete").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements])
        (folder / "complete").touch()
    return folder / "bin"


def from_npm(*packages: str) -> Path:
    """The folder that holds `node_modules`; skips the test where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = _folder("npm", packages)
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        _run([npm, "install", "--no-audit", "--no-fund", *packages], cwd=folder)
        (folder / "complete").touch()
    return folder


def _folder(index: str, packages: tuple[str, ...]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "samovar" / "test-clients" / f"{index}-{sha256(' '.join(packages).encode()).hexdigest()[:16]}"


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.skip(f"not installed within {PATIENCE:g} s: {' '.join(command[-3:])}")
    if run.returncode != 0:
        pytest.skip(f"cannot be installed: {' '.join(command[-3:])}: {run.stderr.strip()[-300:]}")
