"""Runs a few lines of shell on top of installers/environment.sh, with a PATH and a cache of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).parents[2]
TOOLS = ("cat", "cksum", "cut", "head", "id", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "sleep", "tail", "tr")
"""What the functions themselves use; every system has them."""


@dataclass(slots=True)
class Shell:
    """A shell whose PATH has `TOOLS` and what the test puts into `bin`."""

    folder: Path

    def __post_init__(self) -> None:
        self.bin.mkdir()
        for tool in TOOLS:
            self.link(tool)

    @property
    def bin(self) -> Path:
        """The only folder of the PATH."""
        return self.folder / "bin"

    @property
    def wheels(self) -> Path:
        """Where compiled wheels are kept."""
        return self.folder / "cache" / "samovar" / "wheels"

    def link(self, tool: str, target: str | None = None) -> None:
        """Give the shell a program of this machine."""
        found = target or shutil.which(tool)
        assert found, f"this machine has no {tool}"
        (self.bin / tool).symlink_to(found)

    def script(self, name: str, text: str) -> None:
        """Give the shell a program of the test's own."""
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def start(self, text: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Begin to run `text` after environment.sh."""
        return subprocess.Popen(
            ["sh", "-euc", f'clone={CLONE}; . "$clone/installers/environment.sh"; {text}'],
            env={"PATH": str(self.bin), "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
            | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=os.sep,
        )

    def run(self, text: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `text` after environment.sh, to its end."""
        process = self.start(text, environ)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
