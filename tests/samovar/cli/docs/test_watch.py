from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from samovar_protocol.replies import DocsWatchReply
from samovar_protocol.requests import DocsWatch
from tests.samovar.cli.docs.examples import EVIL, FOLDER, HARMLESS
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_on_and_off(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agent.replies[DocsWatch] = lambda request: DocsWatchReply(
        source=msgspec.structs.replace(FOLDER, watch=request.watch)
    )
    assert samovar("docs", "watch", ".").stdout == "/home/me: changes are followed.\n"
    assert samovar("docs", "watch", "/home/me", "-c", "notes", "--off").stdout == (
        "/home/me: changes are followed no longer.\n"
    )
    assert agent.requests == [
        DocsWatch(collection="documents", path=str(tmp_path)),
        DocsWatch(collection="notes", path="/home/me", watch=False),
    ]


def test_a_folder_that_is_not_there_now(agent: FakeAgent) -> None:
    agent.replies[DocsWatch] = DocsWatchReply(source=msgspec.structs.replace(FOLDER, state="missing"))
    result = samovar("docs", "watch", "/home/me")
    assert result.exit_code == 0
    assert "It is not there now" in result.stderr


def test_a_path_that_is_no_source(agent: FakeAgent) -> None:
    agent.replies[DocsWatch] = failure("not_found")
    assert samovar("docs", "watch", "/elsewhere").exit_code == 4


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[DocsWatch] = DocsWatchReply(source=msgspec.structs.replace(FOLDER, path=EVIL))
    assert samovar("docs", "watch", "/home/me").stdout == f"{HARMLESS}: changes are followed.\n"


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsWatch] = DocsWatchReply(source=FOLDER)
    assert document(samovar("docs", "watch", "/home/me", "--json")) == {"source": msgspec.to_builtins(FOLDER)}
