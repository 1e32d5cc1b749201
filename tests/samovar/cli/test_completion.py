from __future__ import annotations

import msgspec
import pytest
from click.shell_completion import ShellComplete

from samovar.cli.main import cli
from samovar_protocol.replies import DocsCollectionsReply, LsReply
from samovar_protocol.requests import DocsCollections, Ls
from tests.samovar.cli.docs.examples import NOTES
from tests.samovar.cli.fakes import SMOLLM, FakeAgent, failure, samovar


def complete(line: str) -> list[str]:
    """What the shell would offer at the end of `line`."""
    *words, incomplete = line.split(" ")
    return [item.value for item in ShellComplete(cli, {}, "samovar", "X").get_completions(words[1:], incomplete)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prints_a_script_and_nothing_else(shell: str) -> None:
    result = samovar("completion", shell)
    assert result.exit_code == 0
    assert f"_SAMOVAR_COMPLETE={shell}_complete" in result.stdout
    assert result.stderr == ""


def test_an_unknown_shell_is_a_usage_error() -> None:
    assert samovar("completion", "csh").exit_code == 2


def test_commands_are_completed() -> None:
    assert complete("samovar lo") == ["load", "logs"]
    assert complete("samovar docs a") == ["ask", "add"]
    assert complete("samovar server token ") == ["create", "ls", "revoke"]


@pytest.mark.parametrize("command", ["load", "run", "chat", "rm", "unload"])
def test_names_of_models_are_completed(agent: FakeAgent, command: str) -> None:
    agent.replies[Ls] = LsReply(models=[SMOLLM])
    assert complete(f"samovar {command} ") == [SMOLLM.key]
    assert complete(f"samovar {command} 135M") == [SMOLLM.key]
    assert complete(f"samovar {command} llama") == []


@pytest.mark.parametrize(
    "line", ["docs ls -c", "docs search tea -c", "docs rm -c", "docs delete", "docs export", "chat --docs"]
)
def test_names_of_collections_are_completed(agent: FakeAgent, line: str) -> None:
    papers = msgspec.structs.replace(NOTES, name="my papers")
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES, papers])
    assert complete(f"samovar {line} ") == ["my papers", "notes"]
    assert complete(f"samovar {line} PAP") == ["my papers"]
    agent.replies[DocsCollections] = failure("agent_not_running")
    assert complete(f"samovar {line} ") == []


@pytest.mark.parametrize("trouble", [failure("agent_not_running"), TimeoutError()])
def test_completion_is_silent_where_no_agent_answers(
    agent: FakeAgent, trouble: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.replies[Ls] = trouble
    assert complete("samovar load ") == []
    assert agent.starts == 0
    assert capsys.readouterr() == ("", "")
