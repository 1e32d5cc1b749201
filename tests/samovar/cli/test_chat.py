from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.replies import ChatReply, ConversationReply, DocsAskReply
from samovar_protocol.requests import Chat, ConversationCreate, ConversationShow, DocsAsk
from samovar_protocol.values import Sampling
from tests.samovar.cli.docs.examples import ASKED, BELOW, TALK
from tests.samovar.cli.fakes import ANSWER, FakeAgent, document, failure, samovar


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


def test_documents_are_asked_and_their_sources_printed(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = ASKED
    result = samovar("chat", "smol", "-p", "How long?", "--docs", "notes", "--docs", "papers", "--top-p", "0.5")
    assert (result.exit_code, result.stdout) == (0, f"For hours [1].\n{BELOW}")
    assert agent.requests == [
        DocsAsk(
            question="How long?",
            collections=["notes", "papers"],
            model="smol",
            sampling=Sampling(temperature=0.2, top_p=0.5),
        )
    ]


def test_an_unknown_collection(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = failure("not_found")
    assert samovar("chat", "-p", "How long?", "--docs", "none").exit_code == 4


def test_keep(agent: FakeAgent) -> None:
    agent.replies[ConversationCreate] = ConversationReply(conversation=TALK)
    result = samovar("chat", "-p", "Hello", "--keep")
    assert result.stdout == "Paris.\n"
    assert "Kept as conversation 5" in result.stderr
    assert agent.requests[1].conversation == 5


def test_going_on_with_a_conversation(agent: FakeAgent) -> None:
    agent.replies[ConversationShow] = ConversationReply(conversation=TALK)
    agent.replies[DocsAsk] = ASKED
    samovar("chat", "-p", "And then?", "--conversation", "5")
    assert [type(request) for request in agent.requests] == [ConversationShow, DocsAsk]
    assert agent.requests[1].conversation == 5
    agent.replies[ConversationShow] = failure("not_found")
    assert samovar("chat", "-p", "And then?", "--conversation", "9").exit_code == 4
    assert len(agent.requests) == 3


def test_json_of_documents_and_of_what_is_kept(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = ASKED
    agent.replies[ConversationCreate] = ConversationReply(conversation=TALK)
    result = samovar("chat", "-p", "How long?", "--docs", "notes", "--json")
    assert document(result) == msgspec.to_builtins(ASKED)
    assert result.stderr == ""
    kept = document(samovar("chat", "-p", "How long?", "--docs", "notes", "--keep", "--json"))
    assert set(kept) == set(DocsAskReply.__struct_fields__)
    assert kept["conversation"] == 5
    kept = document(samovar("chat", "-p", "Hello", "--keep", "--json"))
    assert kept == {**msgspec.to_builtins(ANSWER), "conversation": 5}
