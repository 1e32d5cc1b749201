"""Programs of other people, run against a real agent: only where they are asked for, with `-m clients`.

They are fetched from the package indexes, hundreds of megabytes of them, and take minutes: a run that does not name the
marker leaves them out. In one that does, a program that cannot be had is skipped and says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.program import Program
from tests.processes.agent import AgentProcess

CHAT = "smollm2-135m"
LONG = "gemma-3-270m"
"""A model with room for the prompts of coding agents, in which it may say whatever it likes."""
EMBEDDER = "all-minilm-l6-v2"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out of a run that does not name them."""
    if "clients" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("clients") is not None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="module")
def agent(
    tmp_path_factory: pytest.TempPathFactory, small_model: Path, gemma_model: Path, embedding_model: Path
) -> Iterator[AgentProcess]:
    """A running agent with a small chat model, one with a long context, and a real embedding model."""
    agent = AgentProcess(tmp_path_factory.mktemp("agent") / "home")
    try:
        agent.up()
        for model in (small_model, gemma_model, embedding_model):
            run = agent.cli("import", str(model), "--link")
            assert run.returncode == 0, run.stderr
        yield agent
    finally:
        agent.stop()


@pytest.fixture
def program(tmp_path: Path, agent: AgentProcess) -> Program:
    """Runs other people's programs, in a home of their own."""
    return Program(tmp_path / "home", agent)
