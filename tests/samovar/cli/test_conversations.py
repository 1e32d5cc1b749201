from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.documents import Attachment, ConversationMessage
from samovar_protocol.replies import ConversationDeleteReply, ConversationReply, ConversationsReply
from samovar_protocol.requests import (
    ConversationChange,
    ConversationDelete,
    ConversationRename,
    Conversations,
    ConversationShow,
)
from samovar_protocol.values import Message
from tests.samovar.cli.docs.examples import ASKED, BELOW, CITED, EVIL, HARMLESS, TALK
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

QUESTION = ConversationMessage(id=1, message=Message(role="user", content="How long?"), created_at=0.0)
ANSWER = ConversationMessage(
    id=2, message=Message(role="assistant", content=ASKED.text), created_at=1.0, citations=[CITED], model="smol"
)


@pytest.mark.parametrize("subcommand", [(), ("ls",)])
def test_ls(agent: FakeAgent, subcommand: tuple[str, ...]) -> None:
    plain = msgspec.structs.replace(TALK, id=4, title="", model=None, collections=[])
    agent.replies[Conversations] = ConversationsReply(conversations=[TALK, plain])
    rows = [line.split() for line in samovar("conversations", *subcommand).stdout.splitlines()]
    assert rows[0] == ["ID", "TITLE", "CHANGED", "MODEL", "DOCUMENTS"]
    assert (rows[1][:3], rows[1][-2:]) == (["5", "Of", "tea"], ["smol", "notes"])
    assert (rows[2][:2], rows[2][-2:]) == (["4", "-"], ["-", "-"])
    assert agent.requests == [Conversations()]


def test_ls_of_some_or_none(agent: FakeAgent) -> None:
    agent.replies[Conversations] = ConversationsReply(conversations=[])
    result = samovar("conversations", "ls", "--limit", "3")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "--keep" in result.stderr
    assert agent.requests == [Conversations(limit=3)]


def test_show(agent: FakeAgent) -> None:
    question = msgspec.structs.replace(QUESTION, attachments=[Attachment(name="tea.jpg")])
    agent.replies[ConversationShow] = ConversationReply(conversation=TALK, messages=[question, ANSWER])
    shown = samovar("conversations", "show", "5").stdout
    head, talk = shown.split("\n\n", 1)
    assert head.splitlines()[0] == "Title      Of tea"
    assert head.splitlines()[-1] == "Documents  notes"
    assert talk == f"You:\n(with tea.jpg)\nHow long?\n\nsmol:\nFor hours [1].{BELOW}"
    assert agent.requests == [ConversationShow(id=5)]


def test_the_documents_that_it_asks(agent: FakeAgent) -> None:
    agent.replies[ConversationChange] = ConversationReply(conversation=TALK)
    assert samovar("conversations", "docs", "5", "-c", "notes").stdout == "Conversation 5 asks notes.\n"
    alone = msgspec.structs.replace(TALK, collections=[])
    agent.replies[ConversationChange] = ConversationReply(conversation=alone)
    assert samovar("conversations", "docs", "5", "--no-docs").stdout == "Conversation 5 asks the model alone.\n"
    assert agent.requests == [
        ConversationChange(id=5, collections=["notes"]),
        ConversationChange(id=5, collections=[]),
    ]
    assert samovar("conversations", "docs", "5").exit_code == 2
    assert samovar("conversations", "docs", "5", "-c", "notes", "--no-docs").exit_code == 2
    assert len(agent.requests) == 2


def test_rename(agent: FakeAgent) -> None:
    agent.replies[ConversationRename] = ConversationReply(conversation=TALK)
    assert samovar("conversations", "rename", "5", "Of", "tea").stdout == "Conversation 5 is called “Of tea”.\n"
    assert agent.requests == [ConversationRename(id=5, title="Of tea")]
    assert samovar("conversations", "rename", "5", " ").exit_code == 2
    assert samovar("conversations", "rename", "5").exit_code == 2
    assert len(agent.requests) == 1


def test_rm(agent: FakeAgent) -> None:
    agent.replies[ConversationDelete] = ConversationDeleteReply(found=True)
    assert samovar("conversations", "rm", "5").stdout == "Conversation 5 was removed.\n"
    agent.replies[ConversationDelete] = ConversationDeleteReply(found=False)
    result = samovar("conversations", "rm", "5", "--json")
    assert result.exit_code == 4
    assert document(result)["error"]["code"] == "not_found"


def test_an_unknown_one(agent: FakeAgent) -> None:
    agent.replies[ConversationShow] = failure("not_found")
    assert samovar("conversations", "show", "9").exit_code == 4
    assert samovar("conversations", "show", "nine").exit_code == 2


def test_a_title_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    talk = msgspec.structs.replace(TALK, title=EVIL, model=EVIL, collections=[EVIL])
    answer = msgspec.structs.replace(ANSWER, model=EVIL, citations=[msgspec.structs.replace(CITED, name=EVIL)])
    agent.replies[Conversations] = ConversationsReply(conversations=[talk])
    agent.replies[ConversationShow] = ConversationReply(conversation=talk, messages=[answer])
    agent.replies[ConversationRename] = ConversationReply(conversation=talk)
    for arguments, times in ((), 3), (("show", "5"), 4), (("rename", "5", "x"), 1):
        shown = samovar("conversations", *arguments).stdout
        assert shown.count(HARMLESS) == times
        assert not {"\x1b", "\x9b", "\x07"} & set(shown)


def test_json(agent: FakeAgent) -> None:
    agent.replies[Conversations] = ConversationsReply(conversations=[TALK])
    agent.replies[ConversationShow] = ConversationReply(conversation=TALK, messages=[QUESTION, ANSWER])
    agent.replies[ConversationRename] = ConversationReply(conversation=TALK)
    agent.replies[ConversationDelete] = ConversationDeleteReply(found=True)
    talk = msgspec.to_builtins(TALK)
    for arguments in ("--json",), ("ls", "--json"):
        assert document(samovar("conversations", *arguments)) == {"conversations": [talk]}
    assert document(samovar("conversations", "show", "5", "--json")) == {
        "conversation": talk,
        "messages": [msgspec.to_builtins(QUESTION), msgspec.to_builtins(ANSWER)],
    }
    assert document(samovar("conversations", "rename", "5", "x", "--json")) == {"conversation": talk, "messages": []}
    assert document(samovar("conversations", "rm", "5", "--json")) == {"found": True}
