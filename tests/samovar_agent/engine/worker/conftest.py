from collections.abc import Generator
from pathlib import Path

import pytest

from tests.samovar_agent.engine.worker.grammar.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary(small_model: Path) -> Generator[Vocabulary]:
    found = Vocabulary(small_model)
    yield found
    found.llama.llama_model_free(found.model)
