from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from samovar.cli import doctor, terminal
from samovar_protocol.replies import DoctorReply
from samovar_protocol.requests import Doctor, Status
from samovar_protocol.values import Check
from tests.samovar.cli.fakes import STATUS, FakeAgent, document, failure, samovar

FINDING = Check(name="database", outcome="ok", message="The database is sound.")


@pytest.fixture(autouse=True)
def desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/bus")


def test_all_is_well(agent: FakeAgent) -> None:
    agent.replies[Doctor] = DoctorReply(checks=[FINDING])
    result = samovar("doctor")
    assert result.exit_code == 0
    names = [line.split("  ")[1] for line in result.stdout.splitlines()]
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ok"] * 7
    assert result.stdout.splitlines()[-1] == "ok       database       The database is sound.", names


def test_a_failure_of_the_agent_fails_the_command_and_shows_the_hint(agent: FakeAgent) -> None:
    bad = Check(name="disk", outcome="failure", message="The disk is full.", hint="Free 2 GB.")
    agent.replies[Doctor] = DoctorReply(checks=[bad])
    result = samovar("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[-2].startswith("failure  disk ")
    assert lines[-1].strip() == "Free 2 GB."
    assert lines[-1].index("Free") == lines[-2].index("The disk")


def test_no_agent_is_a_warning_and_none_is_started(agent: FakeAgent) -> None:
    agent.running = False
    result = samovar("doctor")
    assert (result.exit_code, agent.starts) == (0, 0)
    assert "warning  agent" in result.stdout
    assert "samovar up" in result.stdout


def test_an_agent_that_cannot_be_understood_is_a_failure(agent: FakeAgent) -> None:
    agent.replies[Status] = failure("unsupported_version")
    assert samovar("doctor").exit_code == 1


def test_an_agent_of_another_release_is_a_warning(agent: FakeAgent) -> None:
    agent.replies[Doctor] = DoctorReply(checks=[])
    agent.replies[Status] = msgspec.structs.replace(STATUS, version="0.0.9")
    assert "The agent is version 0.0.9" in samovar("doctor").stdout


def test_a_home_that_cannot_be_written(agent: FakeAgent, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.parent.joinpath("file").write_text("in the way")
    monkeypatch.setenv("SAMOVAR_HOME", str(home.parent / "file" / "home"))
    agent.running = False
    result = samovar("doctor", "--json")
    assert result.exit_code == 1
    failed = [check for check in document(result)["checks"] if check["outcome"] == "failure"]
    assert [check["name"] for check in failed] == ["config folder", "data folder", "logs folder"]
    assert "SAMOVAR_HOME" in failed[0]["hint"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there a desktop is announced by variables")
def test_a_machine_without_a_desktop(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    agent.running = False
    assert "warning  tray" in samovar("doctor").stdout


def test_json(agent: FakeAgent) -> None:
    agent.replies[Doctor] = DoctorReply(checks=[FINDING])
    checks = document(samovar("doctor", "--json"))["checks"]
    assert [check["name"] for check in checks] == [
        "python",
        "config folder",
        "data folder",
        "logs folder",
        "tray",
        "agent",
        "database",
    ]
    assert set(checks[0]) == {"name", "outcome", "message", "hint"}


def test_marks_on_a_terminal_that_has_the_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._plain_mark("failure") == "failure"
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    monkeypatch.setattr(doctor, "_unicode", lambda: True)
    assert doctor._plain_mark("failure") == "✗"
