from __future__ import annotations

from pathlib import Path

import pytest

from samovar_protocol.replies import DocsRmReply
from samovar_protocol.requests import DocsRm
from tests.samovar.cli.docs.examples import EVIL, HARMLESS
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_paths_also_of_files_that_are_gone(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agent.replies[DocsRm] = DocsRmReply(removed=2)
    result = samovar("docs", "rm", "-c", "notes", "gone.pdf", "/home/me/papers/")
    assert result.stdout == "notes: 2 documents removed; files stay where they are.\n"
    assert agent.requests == [DocsRm(collection="notes", paths=[str(tmp_path / "gone.pdf"), "/home/me/papers"])]


def test_ids(agent: FakeAgent) -> None:
    agent.replies[DocsRm] = DocsRmReply(removed=1)
    assert samovar("docs", "rm", "-c", "notes", "--id", "7", "--id", "8").stdout.startswith("notes: 1 document removed")
    assert agent.requests == [DocsRm(collection="notes", documents=[7, 8])]


@pytest.mark.parametrize("arguments", [("-c", "notes"), ("--id", "7"), ("tea.pdf",), ("-c", "notes", "--id", "seven")])
def test_what_is_not_said_is_not_guessed(agent: FakeAgent, arguments: tuple[str, ...]) -> None:
    assert samovar("docs", "rm", *arguments).exit_code == 2
    assert agent.requests == []


def test_a_number_is_no_path(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agent.replies[DocsRm] = DocsRmReply(removed=1)
    result = samovar("docs", "rm", "-c", "notes", "7")
    assert (result.exit_code, agent.requests) == (2, [])
    assert "--id 7 removes document number 7" in result.stderr
    (tmp_path / "7").write_text("Tea.")
    assert samovar("docs", "rm", "-c", "notes", "7").exit_code == 0


def test_what_is_not_there(agent: FakeAgent) -> None:
    agent.replies[DocsRm] = failure("not_found", "There is no document 7.")
    result = samovar("docs", "rm", "-c", "notes", "--id", "7")
    assert result.exit_code == 4
    assert "no document 7" in result.stderr


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[DocsRm] = DocsRmReply(removed=1)
    assert samovar("docs", "rm", "-c", EVIL, "--id", "7").stdout.startswith(f"{HARMLESS}: ")


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsRm] = DocsRmReply(removed=2)
    assert document(samovar("docs", "rm", "-c", "notes", "--id", "7", "--json")) == {"removed": 2}
