"""Real agents for the tests in this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.agent import AgentProcess


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[AgentProcess]:
    """A home in which no agent runs yet."""
    agent = AgentProcess(tmp_path / "home")
    yield agent
    agent.stop()


@pytest.fixture
def agent(fresh: AgentProcess) -> AgentProcess:
    """A running agent without models."""
    return fresh.up()


@pytest.fixture
def loaded(agent: AgentProcess, small_model: Path) -> AgentProcess:
    """A running agent with the small model in its library."""
    run = agent.cli("import", str(small_model), "--link")
    assert run.returncode == 0, run.stderr
    return agent
