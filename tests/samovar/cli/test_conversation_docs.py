"""A conversation that asks documents, and one that is kept."""

from __future__ import annotations

import pytest

from samovar.cli.conversation import Conversation, ask_once, kept_line
from samovar_protocol import SamovarError
from samovar_protocol.documents import ConversationMessage
from samovar_protocol.replies import ConversationDeleteReply, ConversationReply, DocsCollectionsReply, PsReply
from samovar_protocol.requests import (
    Chat,
    ConversationCreate,
    ConversationDelete,
    ConversationShow,
    DocsAsk,
    DocsCollections,
    Ps,
)
from samovar_protocol.values import ChatOptions, Message, Progress, Sampling, Text
from tests.samovar.cli.docs.examples import ASKED, NOT_FOUND, NOTES, TALK
from tests.samovar.cli.fakes import HANG, INSTANCE, FakeAgent, failure


@pytest.fixture(autouse=True)
def documents(agent: FakeAgent) -> None:
    """Answers come from documents, and conversations can be kept."""
    agent.replies[DocsAsk] = ASKED
    agent.chunks[DocsAsk] = [Text(text="For hours [1].")]
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES])
    agent.replies[Ps] = PsReply(instances=[INSTANCE])
    agent.replies[ConversationCreate] = ConversationReply(conversation=TALK)
    agent.replies[ConversationDelete] = ConversationDeleteReply(found=True)


def test_what_was_said_before_goes_along_as_history(agent: FakeAgent) -> None:
    conversation = Conversation(
        collections=["notes"], system="Be brief.", sampling=Sampling(temperature=1), options=ChatOptions(thinking=False)
    )
    conversation.ask("How long?")
    conversation.ask("And then?")
    first, second = agent.requests
    assert first == DocsAsk(
        question="How long?", collections=["notes"], system="Be brief.", options=ChatOptions(thinking=False)
    )
    assert (second.question, second.model) == ("And then?", "smol")
    assert second.history == [
        Message(role="user", content="How long?"),
        Message(role="assistant", content="For hours [1]."),
    ]


def test_an_answer_that_does_not_come_in_pieces_is_shown(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.replies[DocsAsk], agent.chunks[DocsAsk] = NOT_FOUND, []
    conversation = Conversation(collections=[])
    conversation.ask("How long?")
    assert capsys.readouterr().out == "Not in these documents.\n"
    assert conversation.model is None  # nobody was asked


def test_a_conversation_can_go_between_documents_and_the_model(agent: FakeAgent) -> None:
    conversation = Conversation(model="smol")
    conversation.ask("Hello")
    conversation.ask_documents(["notes"])
    conversation.ask("How long?")
    conversation.ask_documents(None)
    conversation.ask("Thanks")
    assert [type(request) for request in agent.requests] == [Chat, DocsCollections, DocsAsk, Chat]
    assert [len(agent.requests[2].history), len(agent.requests[3].messages)] == [2, 5]
    assert agent.requests[1] == DocsCollections(name="notes")


def test_a_collection_that_is_not_there_is_told_before_the_first_question(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = failure("not_found", "There is no collection 'none'.")
    with pytest.raises(SamovarError, match="no collection"):
        Conversation(collections=["none"]).prepare()
    conversation = Conversation(collections=["notes"])
    with pytest.raises(SamovarError, match="no collection"):
        conversation.ask_documents(["none"])
    assert conversation.collections == ["notes"]


def test_nothing_is_kept_unasked(agent: FakeAgent) -> None:
    Conversation().ask("Hello")
    Conversation(collections=["notes"]).ask("How long?")
    assert [type(request) for request in agent.requests] == [Chat, DocsAsk]
    assert [request.conversation for request in agent.requests] == [None, None]


def test_a_kept_conversation_begins_with_its_first_question(agent: FakeAgent) -> None:
    conversation = Conversation(keep=True, collections=["notes"])
    conversation.prepare()
    assert ConversationCreate not in map(type, agent.requests)
    conversation.ask("How long?")
    conversation.ask("And then?")
    created, first, second = agent.requests[-3:]
    assert created == ConversationCreate(collections=["notes"])
    assert [first.conversation, second.conversation] == [5, 5]
    assert second.history == []  # the agent has it


def test_a_kept_chat_sends_its_turns_as_ever(agent: FakeAgent) -> None:
    conversation = Conversation(keep=True)
    conversation.ask("Hello")
    conversation.ask("Again")
    assert [type(request) for request in agent.requests] == [ConversationCreate, Chat, Chat]
    assert [request.conversation for request in agent.requests[1:]] == [5, 5]
    assert len(agent.requests[2].messages) == 3


def test_a_first_question_that_fails_leaves_no_empty_conversation(agent: FakeAgent) -> None:
    agent.replies[Chat] = failure("worker_crashed")
    conversation = Conversation(keep=True)
    with pytest.raises(SamovarError):
        conversation.ask("Hello")
    assert agent.requests[-1] == ConversationDelete(id=5)
    assert conversation.id is None
    agent.replies[ConversationDelete] = failure("internal")
    with pytest.raises(SamovarError, match="did not work") as caught:
        conversation.ask("Hello")
    assert caught.value.code == "worker_crashed"


def test_a_later_question_that_fails_costs_nothing(agent: FakeAgent) -> None:
    conversation = Conversation(keep=True)
    conversation.ask("Hello")
    agent.replies[Chat] = failure("worker_crashed")
    with pytest.raises(SamovarError):
        conversation.ask("Again")
    assert conversation.id == 5
    assert ConversationDelete not in map(type, agent.requests)


@pytest.mark.parametrize("kind", [Chat, DocsAsk])
def test_ctrl_c_keeps_what_was_said(agent: FakeAgent, kind: type[Chat | DocsAsk]) -> None:
    agent.replies[kind] = HANG
    conversation = Conversation(keep=True, collections=["notes"] if kind is DocsAsk else None)
    with pytest.raises(KeyboardInterrupt):
        conversation.ask("How long?")
    assert (conversation.id, agent.cancelled) == (5, 1)
    assert ConversationDelete not in map(type, agent.requests)


def test_ctrl_c_before_the_first_word_leaves_no_empty_conversation(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = HANG
    agent.chunks[DocsAsk] = [Progress(stage="reading", unit="ratio")]
    conversation = Conversation(keep=True, collections=["notes"])
    with pytest.raises(KeyboardInterrupt):
        conversation.ask("How long?")
    assert agent.requests[-1] == ConversationDelete(id=5)
    assert conversation.id is None


def test_ctrl_c_before_a_later_answer_costs_nothing(agent: FakeAgent) -> None:
    conversation = Conversation(keep=True, collections=["notes"])
    conversation.ask("How long?")
    agent.replies[DocsAsk] = HANG
    agent.chunks[DocsAsk] = []
    with pytest.raises(KeyboardInterrupt):
        conversation.ask("And then?")
    assert conversation.id == 5
    assert ConversationDelete not in map(type, agent.requests)


def test_another_begins_where_one_is_forgotten(agent: FakeAgent) -> None:
    conversation = Conversation(keep=True)
    conversation.ask("Hello")
    conversation.forget()
    conversation.ask("Hello")
    assert [type(request) for request in agent.requests] == [ConversationCreate, Chat] * 2
    assert len(agent.requests[-1].messages) == 1


@pytest.mark.parametrize(("named", "asked"), [(None, ["notes"]), (["papers"], ["papers"])])
def test_going_on(agent: FakeAgent, named: list[str] | None, asked: list[str]) -> None:
    turns = [Message(role="user", content="How long?"), Message(role="assistant", content="For hours.")]
    agent.replies[ConversationShow] = ConversationReply(
        conversation=TALK,
        messages=[ConversationMessage(id=id_, message=turn, created_at=0.0) for id_, turn in enumerate(turns)],
    )
    conversation = Conversation(collections=named)
    assert conversation.resume(5) == TALK
    conversation.ask("And then?")
    assert conversation.messages[:2] == turns
    assert agent.requests == [
        ConversationShow(id=5),
        DocsAsk(question="And then?", collections=asked, model="smol", conversation=5),
    ]


def test_once(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    conversation = Conversation(keep=True, collections=["notes"])
    ask_once(conversation, "How long?", as_json=False, stats=False)
    shown = capsys.readouterr()
    assert shown.out.startswith("For hours [1].\n\n[1] tea.pdf, page 3")
    assert shown.err.splitlines()[-1] == kept_line(conversation)
    assert "`samovar chat --conversation 5`" in kept_line(conversation)
