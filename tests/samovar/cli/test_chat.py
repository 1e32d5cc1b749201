from __future__ import annotations

import pytest

from samovar_protocol.replies import ChatReply
from samovar_protocol.requests import Chat
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_one_question_with_p(agent: FakeAgent) -> None:
    result = samovar("chat", "-p", "Hello", "--system", "Be brief.")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Paris.\n", "")
    assert agent.requests[0].model is None
    assert [message.content for message in agent.requests[0].messages] == ["Be brief.", "Hello"]


def test_what_is_piped_in_is_the_question(agent: FakeAgent) -> None:
    samovar("chat", "smol", "-p", "Translate:", stdin="Bonjour")
    assert agent.requests[0].messages[0].content == "Translate:\n\nBonjour"


def test_no_question_is_a_usage_error(agent: FakeAgent) -> None:
    assert samovar("chat").exit_code == 2


def test_an_unknown_model_is_not_downloaded(agent: FakeAgent) -> None:
    agent.replies[Chat] = failure("model_unknown")
    assert samovar("chat", "none", "-p", "Hello").exit_code == 4
    assert len(agent.requests) == 1


def test_json(agent: FakeAgent) -> None:
    keys = set(document(samovar("chat", "-p", "Hello", "--json")))
    assert keys == set(ChatReply.__struct_fields__) >= {"model", "text", "reasoning", "finish_reason", "stats"}


@pytest.mark.usefixtures("at_terminal")
def test_json_needs_a_question(agent: FakeAgent) -> None:
    result = samovar("chat", "--json")
    assert result.exit_code == 2
    assert "-p" in result.stderr
