"""Real agents for the tests in this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import samovar
from samovar.requests import Import, Ls
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
    link(agent, small_model)
    return agent


@pytest.fixture
def minilm(agent: AgentProcess) -> str:
    """The key of a real embedding model in the agent's library."""
    return import_minilm(agent)


def import_minilm(agent: AgentProcess) -> str:
    if not MINILM.is_file():
        pytest.skip(f"the embedding model is not at {MINILM}")
    return str(agent.json("import", str(MINILM), "--link")["model"]["key"])


@pytest.fixture(scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path_factory.mktemp("standing") / "home")
    yield agent
    agent.stop()


@pytest.fixture
def standing(_home: AgentProcess) -> AgentProcess:
    """The running agent that tests of a module share, where none does anything to it that another could notice.

    Most of what a test with an agent of its own takes is starting and ending it.
    """
    return _home if _home.is_up() else _home.up()  # what one test broke shall not fail the others, too


@pytest.fixture
def stocked(standing: AgentProcess, small_model: Path) -> AgentProcess:
    """The shared agent with the small model in its library, and maybe in memory."""
    link(standing, small_model)
    return standing


def link(agent: AgentProcess, path: Path) -> None:
    """Take a model into the library where it is not there yet."""
    with samovar.connect_sync(home=agent.home) as client:
        if not any(model.path == str(path) for model in client.call(Ls()).models):
            client.call(Import(path=str(path), mode="link"))
