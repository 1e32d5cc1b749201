from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.samovar.cli.fakes import samovar


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], ["--foreground"]), (["--no-tray"], ["--no-tray", "--foreground"]), (["--quiet", "--no-tray"], ["--no-tray"])],
)
def test_run_becomes_the_agents_process(
    options: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def execv(program: str, arguments: list[str]) -> None:
        assert program == sys.executable
        seen.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "execv", execv)
    samovar("agent", "run", *options)
    assert seen == [[sys.executable, "-P", "-m", "samovar_agent", *expected]]


def test_on_windows_it_waits_and_hands_on_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        assert arguments[1:] == ["-P", "-m", "samovar_agent", "--foreground"]
        return subprocess.CompletedProcess(arguments, 75)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "run", run)
    assert samovar("agent", "run").exit_code == 75
