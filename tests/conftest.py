"""What all tests share: the small chat model, and a rule about skipping."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


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


@pytest.fixture(scope="session")
def small_model() -> Path:
    """SmolLM2-135M-Instruct, Q4_1: a real chat model of 98 MB. `tests/run.sh` fetches it with `samovar get`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(os.environ.get("SAMOVAR_TEST_MODEL") or cache / "samovar" / "test-models" / MODEL)
    if not path.is_file():
        pytest.skip(f"the small model is not at {path}; run `sh tests/run.sh` once")
    return path
