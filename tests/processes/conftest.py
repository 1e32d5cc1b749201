"""Real agents for the tests in this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.agent import AgentProcess

MINILM = Path("/work/shared/models/all-MiniLM-L6-v2-Q8_0.gguf")


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


@pytest.fixture
def minilm(agent: AgentProcess) -> str:
    """The key of a real embedding model in the agent's library."""
    if not MINILM.is_file():
        pytest.skip(f"the embedding model is not at {MINILM}")
    return str(agent.json("import", str(MINILM), "--link")["model"]["key"])
