"""What all tests share: the models, and a rule about skipping."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests import gemma_model as gemma
from tests.tiny_models.build import Kind, build

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDER = "all-MiniLM-L6-v2-Q8_0.gguf"
CLONE = Path(__file__).parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of one computation wait for each other by spinning: of two computations with as many threads as there are
    # processors each would mostly wait for a thread that the other keeps from running.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything must be there (`SAMOVAR_CI_NO_SKIPS`), a skipped test is a failed one: it tested nothing."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("SAMOVAR_CI_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed here: {report.longrepr}"
    return report


def _test_model() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("SAMOVAR_TEST_MODEL") or cache / "samovar" / "test-models" / MODEL)


def _fetched(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"a model is not at {path}; run `sh tests/run.sh` once")
    return path


@pytest.fixture(scope="session")
def small_model() -> Path:
    """SmolLM2-135M-Instruct, Q4_1: a real chat model of 98 MB. `tests/run.sh` fetches it with `samovar get`."""
    return _fetched(_test_model())


@pytest.fixture(scope="session")
def gemma_model() -> Path:
    """gemma-3-270m, Q4_K_M: a real base model of 253 MB with a sliding window of 512. `tests/run.sh` fetches it."""
    return _fetched(_test_model().with_name(gemma.NAME))


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """all-MiniLM-L6-v2, Q8_0: a real embedding model of 25 MB, where somebody has put it."""
    folders = [_test_model().parent, CLONE.parent / "shared" / "models", Path("/work/shared/models")]
    places = [Path(named)] if (named := os.environ.get("SAMOVAR_TEST_EMBEDDER")) else [f / EMBEDDER for f in folders]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        pytest.skip(f"{EMBEDDER} is not in {', '.join(str(place.parent) for place in places)}")
    return found


@pytest.fixture(scope="session")
def tiny_coder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights, and with the markers for filling in the middle."""
    return build("llama", tmp_path_factory.mktemp("tiny-coder"), fills=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """Makes a tiny model with random weights: `tiny_model("mamba")`; see `tests/tiny_models`."""
    folder = tmp_path_factory.mktemp("tiny-models")
    return lambda kind: build(kind, folder)
