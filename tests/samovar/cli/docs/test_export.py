from __future__ import annotations

from pathlib import Path

import pytest

from samovar_protocol.replies import DocsExportReply
from samovar_protocol.requests import DocsExport
from tests.samovar.cli.docs.examples import EVIL, HARMLESS
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar

WRITTEN = DocsExportReply(path="/home/me/notes.samovar", size_bytes=98_400_000, documents=2)


def test_to_a_file(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agent.replies[DocsExport] = WRITTEN
    assert samovar("docs", "export", "notes", "out").stdout == "/home/me/notes.samovar: 2 documents, 98.4 MB.\n"
    samovar("docs", "export", "notes", "out", "--replace")
    assert agent.requests == [
        DocsExport(collection="notes", path=str(tmp_path / "out")),
        DocsExport(collection="notes", path=str(tmp_path / "out"), replace=True),
    ]


def test_a_folder_that_is_not_there_is_named_before_anything_is_sent(agent: FakeAgent, tmp_path: Path) -> None:
    result = samovar("docs", "export", "notes", str(tmp_path / "none" / "out"))
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in result.stderr
    assert samovar("docs", "export", "notes", str(tmp_path)).exit_code == 2
    assert agent.requests == []


def test_ctrl_c(agent: FakeAgent, tmp_path: Path) -> None:
    agent.replies[DocsExport] = HANG
    result = samovar("docs", "export", "notes", str(tmp_path / "out"))
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert "nothing was written" in result.stderr


def test_failures(agent: FakeAgent, tmp_path: Path) -> None:
    agent.replies[DocsExport] = failure("bad_request", "There is a file already.")
    assert samovar("docs", "export", "notes", str(tmp_path / "out")).exit_code == 2
    agent.replies[DocsExport] = failure("disk_full")
    assert samovar("docs", "export", "notes", str(tmp_path / "out")).exit_code == 1


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent, tmp_path: Path) -> None:
    agent.replies[DocsExport] = DocsExportReply(path=EVIL, size_bytes=1, documents=1)
    assert samovar("docs", "export", "notes", str(tmp_path / "out")).stdout == f"{HARMLESS}: 1 document, 1 B.\n"


def test_json(agent: FakeAgent, tmp_path: Path) -> None:
    agent.replies[DocsExport] = WRITTEN
    assert document(samovar("docs", "export", "notes", str(tmp_path / "out"), "--json")) == {
        "path": "/home/me/notes.samovar",
        "size_bytes": 98_400_000,
        "documents": 2,
    }
