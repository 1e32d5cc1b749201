from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsImport
from tests.samovar.cli.docs.examples import EVIL, HARMLESS, NOTES
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar


@pytest.fixture
def file(tmp_path: Path, agent: FakeAgent) -> Path:
    """An exported collection."""
    agent.replies[DocsImport] = DocsCollectionReply(collection=NOTES)
    path = tmp_path / "notes.samovar"
    path.write_bytes(b"")
    return path


def test_a_file(agent: FakeAgent, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert (
        samovar("docs", "import", "notes.samovar").stdout
        == "notes.samovar is now the collection notes, with 2 documents.\n"
    )
    samovar("docs", "import", str(file), "--name", "papers")
    assert agent.requests == [DocsImport(path=str(file)), DocsImport(path=str(file), name="papers")]


def test_a_file_that_is_not_there_is_named_before_anything_is_sent(agent: FakeAgent, tmp_path: Path) -> None:
    result = samovar("docs", "import", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "none' does not exist" in result.stderr
    assert agent.requests == []


def test_ctrl_c(agent: FakeAgent, file: Path) -> None:
    agent.replies[DocsImport] = HANG
    result = samovar("docs", "import", str(file))
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert "nothing of notes.samovar was taken in" in result.stderr


def test_a_name_that_is_taken(agent: FakeAgent, file: Path) -> None:
    agent.replies[DocsImport] = failure("bad_request", "There is a collection 'notes' already.")
    result = samovar("docs", "import", str(file), "--json")
    assert result.exit_code == 2
    assert document(result)["error"]["code"] == "bad_request"


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent, file: Path) -> None:
    agent.replies[DocsImport] = DocsCollectionReply(collection=msgspec.structs.replace(NOTES, name=EVIL))
    shown = samovar("docs", "import", str(file)).stdout
    assert shown == f"{file.name} is now the collection {HARMLESS}, with 2 documents.\n"


def test_json(file: Path) -> None:
    assert document(samovar("docs", "import", str(file), "--json")) == {"collection": msgspec.to_builtins(NOTES)}
