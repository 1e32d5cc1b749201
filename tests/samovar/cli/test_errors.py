from __future__ import annotations

import os

import pytest

from samovar.cli import exit_codes
from samovar_protocol import SamovarError
from samovar_protocol.requests import Import, Ls
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar


def test_people_read_the_sentence_and_the_hint_on_stderr(agent: FakeAgent) -> None:
    agent.replies[Ls] = failure("model_unknown", "No model is called 'x'.", "Run `samovar ls`.")
    result = samovar("ls")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert result.stdout == ""
    assert result.stderr == "Error: No model is called 'x'.\nRun `samovar ls`.\n"


def test_a_name_in_it_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[Ls] = failure("model_unknown", "'a\x1b[2Jb'", "`\x1b]0;c\x07`")
    assert samovar("ls").stderr == "Error: 'a[2Jb'\n`]0;c`\n"


def test_no_empty_line_where_there_is_no_hint(agent: FakeAgent) -> None:
    agent.replies[Ls] = failure("internal", "Broken.", "")
    assert samovar("ls").stderr == "Error: Broken.\n"


def test_programs_find_the_failure_on_stdout(agent: FakeAgent) -> None:
    agent.replies[Ls] = SamovarError(
        "not_enough_memory",
        "Needs 9 GB, 4 GB are free.",
        hint="Unload one.",
        details={"need_bytes": 9, "free_bytes": 4},
    )
    result = samovar("ls", "--json")
    assert result.exit_code == exit_codes.NO_MEMORY
    assert document(result) == {
        "error": {
            "code": "not_enough_memory",
            "message": "Needs 9 GB, 4 GB are free.",
            "hint": "Unload one.",
            "details": {"need_bytes": 9, "free_bytes": 4},
        }
    }
    assert result.stderr.startswith("Error: Needs 9 GB")


def test_ctrl_c_ends_with_130_and_a_word(agent: FakeAgent) -> None:
    agent.replies[Ls] = HANG
    result = samovar("ls")
    assert result.exit_code == exit_codes.INTERRUPTED
    assert result.stderr == "\nInterrupted.\n"


def test_no_start_refuses(agent: FakeAgent) -> None:
    agent.running = False
    result = samovar("ls", "--no-start")
    assert result.exit_code == exit_codes.NO_AGENT
    assert agent.starts == 0
    assert "samovar up" in result.stderr


def test_no_start_can_come_from_the_environment(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.running = False
    monkeypatch.setenv("SAMOVAR_NO_START", "1")
    assert samovar("ps").exit_code == exit_codes.NO_AGENT
    assert agent.starts == 0


def test_an_argument_that_is_no_text_is_a_usage_error(agent: FakeAgent, tmp_path: object) -> None:
    path = f"{tmp_path}/\udcff.gguf"
    with open(path, "wb"):
        pass
    # As the real client does: it encodes the request.
    agent.replies[Import] = lambda request: os.fsdecode(request.path.encode("utf-8"))
    result = samovar("import", path)
    assert result.exit_code == exit_codes.USAGE
    assert "UTF-8" in result.stderr
