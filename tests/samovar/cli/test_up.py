from __future__ import annotations

import msgspec
import pytest

from samovar.cli import agent as agent_command
from samovar.cli import up
from samovar_protocol.requests import Status
from samovar_protocol.values import HttpInfo
from tests.samovar.cli.fakes import STATUS, FakeAgent, document, failure, samovar


def test_starts_the_agent(agent: FakeAgent) -> None:
    agent.running = False
    result = samovar("up")
    assert (result.exit_code, agent.starts) == (0, 1)
    assert result.stdout == "Samovar 0.1.0 is up (pid 4242).  http://127.0.0.1:7266\n"


def test_a_second_one_attaches_and_says_so(agent: FakeAgent) -> None:
    result = samovar("up")
    assert (result.exit_code, agent.starts) == (0, 0)
    assert "is already running (pid 4242)" in result.stdout


def test_no_tray_reaches_the_agent(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.running = False
    seen: list[bool] = []

    def start(*, tray: bool) -> None:
        seen.append(tray)
        agent.start()

    monkeypatch.setattr(up, "start_agent", start)
    samovar("up", "--no-tray")
    assert seen == [False]


def test_json(agent: FakeAgent) -> None:
    agent.running = False
    assert document(samovar("up", "--json")) == {"already_running": False, **msgspec.to_builtins(STATUS)}
    assert document(samovar("up", "--json"))["already_running"] is True


def test_a_taken_port_is_a_warning(agent: FakeAgent) -> None:
    agent.replies[Status] = msgspec.structs.replace(STATUS, http=HttpInfo(problem="Port 7266 is taken."))
    result = samovar("up")
    assert result.exit_code == 0
    assert result.stderr == "Warning: Port 7266 is taken.\n"


def test_a_failed_start_is_shown(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.running = False

    def start(*, tray: bool) -> None:
        raise failure("agent_start_failed", "The agent ended at once.", "`samovar logs` says more.")

    monkeypatch.setattr(up, "start_agent", start)
    result = samovar("up")
    assert result.exit_code == 3
    assert "ended at once" in result.stderr


def test_foreground_becomes_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool]] = []

    def become(*, tray: bool, foreground: bool) -> None:
        seen.append((tray, foreground))
        raise SystemExit(0)

    monkeypatch.setattr(agent_command, "become_agent", become)
    samovar("up", "--foreground", "--no-tray")
    assert seen == [(False, True)]
