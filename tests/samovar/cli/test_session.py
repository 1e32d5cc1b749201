"""The seam itself: what commands pass to the client library."""

from __future__ import annotations

from typing import Any

import pytest

import samovar
from samovar.cli import session


def test_the_connection_starts_the_agent_only_where_allowed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(samovar, "connect", lambda **options: seen.append(options), raising=False)
    session.open_client(start=True, timeout=3.0)
    session.open_client(start=False)
    assert [(options["start"], options["timeout"]) for options in seen] == [(True, 3.0), (False, 10.0)]
    seen[0]["on_start"]()
    assert capsys.readouterr() == ("", "Starting the agent…\n")
