from __future__ import annotations

from pathlib import Path

import pytest

from samovar.cli import session, terminal, up
from tests.samovar.cli.fakes import FakeAgent


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> FakeAgent:
    """The agent that commands find; it runs."""
    fake = FakeAgent()
    monkeypatch.setattr(session, "open_client", fake.open_client)
    monkeypatch.setattr(up, "start_agent", fake.start)
    return fake


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Samovar home of this test's own, and no settings from the outside."""
    for variable in ("SAMOVAR_NO_START", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person types: stdin is a terminal."""
    monkeypatch.setattr(terminal, "stdin_is_terminal", lambda: True)
