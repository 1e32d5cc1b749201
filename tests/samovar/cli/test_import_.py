from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from samovar_protocol.replies import ImportReply
from samovar_protocol.requests import Import
from tests.samovar.cli.fakes import HANG, SMOLLM, FakeAgent, document, failure, samovar


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize(
    ("options", "mode"),
    [([], "link"), (["--link"], "link"), (["--hardlink"], "hardlink"), (["--copy"], "copy"), (["--move"], "move")],
)
def test_modes(agent: FakeAgent, file: Path, options: list[str], mode: str) -> None:
    agent.replies[Import] = ImportReply(model=SMOLLM)
    result = samovar("import", str(file), *options)
    assert result.stdout == "smollm2/smollm2-135m-instruct is ready (98.4 MB).\n"
    assert [request.mode for request in agent.requests] == [mode]


def test_a_relative_path_means_the_same_to_the_agent(
    agent: FakeAgent, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    agent.replies[Import] = ImportReply(model=SMOLLM)
    samovar("import", "small.gguf", "--name", "me/small")
    assert agent.requests == [Import(path=str(file), mode="link", name="me/small")]


def test_a_missing_file_or_a_folder_is_a_usage_error(agent: FakeAgent, tmp_path: Path) -> None:
    assert samovar("import", str(tmp_path / "none.gguf")).exit_code == 2
    assert samovar("import", str(tmp_path)).exit_code == 2
    assert agent.requests == []


def test_a_file_that_is_no_model(agent: FakeAgent, file: Path) -> None:
    agent.replies[Import] = failure("model_file_broken", "small.gguf is truncated.")
    result = samovar("import", str(file))
    assert result.exit_code == 1
    assert "truncated" in result.stderr


def test_ctrl_c(agent: FakeAgent, file: Path) -> None:
    agent.replies[Import] = HANG
    result = samovar("import", str(file), "--copy")
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert "small.gguf is not in the library" in result.stderr


def test_json(agent: FakeAgent, file: Path) -> None:
    agent.replies[Import] = ImportReply(model=SMOLLM)
    assert document(samovar("import", str(file), "--json")) == {"model": msgspec.to_builtins(SMOLLM)}
