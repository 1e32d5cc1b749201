from __future__ import annotations

import subprocess
import sys

import pytest

from samovar.cli import down
from samovar_protocol.replies import DownReply
from samovar_protocol.requests import Down
from tests.samovar.cli.fakes import FakeAgent, document, samovar


@pytest.fixture
def dying(agent: FakeAgent) -> int:
    """The pid of a process that ends soon, and that the agent says is its own."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])
    agent.replies[Down] = DownReply(pid=process.pid)
    return process.pid


def test_returns_when_the_agent_has_gone(dying: int) -> None:
    result = samovar("down")
    assert (result.exit_code, result.stdout) == (0, "Samovar has stopped.\n")
    assert not down._runs(dying)


def test_json(dying: int) -> None:
    assert document(samovar("down", "--json")) == {"pid": dying}


def test_without_an_agent_there_is_nothing_to_do(agent: FakeAgent) -> None:
    agent.running = False
    result = samovar("down")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Samovar is not running.\n")
    assert document(samovar("down", "--json")) == {"pid": None}
    assert agent.starts == 0


def test_an_agent_that_does_not_end_is_a_failure(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(down, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(down, "_runs", lambda pid: True)
    agent.replies[Down] = DownReply(pid=1)
    result = samovar("down")
    assert result.exit_code == 1
    assert "has not ended" in result.stderr
