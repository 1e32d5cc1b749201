"""Running a program of somebody else beside the agent."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.processes.agent import AgentProcess

PATIENCE = 900.0
"""Seconds; coding agents begin with prompts of thousands of tokens, which a machine that is busy computes slowly."""


class Program:
    """A home for programs, without this user's settings and keys.

    - home: a folder that need not exist. - agent: what they talk to; its address is not in their environment.
    """

    def __init__(self, home: Path, agent: AgentProcess) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir(parents=True)
        self._agent = agent

    def run(self, *command: str | Path, **environ: str) -> str:
        """What it printed; fails the test where the program does, with all that is known."""
        with subprocess.Popen(
            [str(word) for word in command],
            cwd=self.work,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "NO_COLOR": "1", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that what it starts ends with it
        ) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == 0, (
            f"{command[0]} ended with {process.returncode}\n{out}\n{err}\n{self._agent.logs()}"
        )
        return out

    def write(self, name: str, text: str) -> Path:
        """A file in its home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path
