"""The chat at a terminal, driven by typed lines."""

from __future__ import annotations

import builtins
from collections.abc import Callable

import pytest
from click.testing import Result

from samovar.cli import repl, terminal
from samovar_protocol.documents import ConversationMessage
from samovar_protocol.replies import ConversationReply, DocsCollectionsReply, PsReply
from samovar_protocol.requests import (
    Chat,
    ConversationCreate,
    ConversationShow,
    DocsAsk,
    DocsCollections,
    Ps,
)
from samovar_protocol.values import Message
from tests.samovar.cli.docs.examples import ASKED, BELOW, NOTES, TALK
from tests.samovar.cli.fakes import ANSWER, HANG, INSTANCE, FakeAgent, failure, samovar

Type = Callable[..., Result]


@pytest.fixture
def type_(agent: FakeAgent, at_terminal: None) -> Type:
    """Types lines into `samovar chat`, then Ctrl-D."""
    agent.replies[Ps] = PsReply(instances=[INSTANCE])
    return lambda *lines, options=(): samovar("chat", *options, stdin="".join(f"{line}\n" for line in lines))


def _questions(agent: FakeAgent) -> list[str]:
    return [request.messages[-1].content for request in agent.requests if isinstance(request, Chat)]


def test_answers_go_to_stdout_and_everything_else_to_stderr(type_: Type, agent: FakeAgent) -> None:
    result = type_("Hello", "", "Again")
    assert (result.exit_code, result.stdout) == (0, "Paris.\nParis.\n")
    assert "Chatting with smol." in result.stderr
    assert result.stderr.count(">>> ") == 4
    assert _questions(agent) == ["Hello", "Again"]


def test_a_backslash_goes_on_in_the_next_line(type_: Type, agent: FakeAgent) -> None:
    result = type_("one\\", "two\\", "three")
    assert _questions(agent) == ["one\ntwo\nthree"]
    assert result.stderr.count("... ") == 2


def test_clear_forgets(type_: Type, agent: FakeAgent) -> None:
    type_("Hello", "/clear", "Again")
    assert len(agent.requests[-1].messages) == 1


def test_system_and_model_are_shown_and_changed(type_: Type, agent: FakeAgent) -> None:
    result = type_("/system", "/system Be brief.", "/model", "/model other", "Hello")
    assert "no system message" in result.stderr
    assert "Be brief." in result.stderr
    assert agent.requests[-1].model == "other"
    assert agent.requests[-1].messages[0].content == "Be brief."


def test_stats_can_be_switched(type_: Type) -> None:
    assert type_("/stats", "Hello", "/stats", "Hello").stderr.count("first token") == 1
    assert type_("Hello", options=["--stats"]).stderr.count("first token") == 1


def test_help_and_unknown_commands(type_: Type, agent: FakeAgent) -> None:
    result = type_("/help", "/nonsense")
    for word in ("/clear", "/docs", "/system", "/model", "/stats", "/exit", "Ctrl-C"):
        assert word in result.stderr
    assert "no command /nonsense" in result.stderr
    assert _questions(agent) == []


def test_exit_leaves(type_: Type, agent: FakeAgent) -> None:
    assert type_("/exit", "Hello").exit_code == 0
    assert _questions(agent) == []


def test_ctrl_c_stops_the_answer_but_not_the_chat(type_: Type, agent: FakeAgent) -> None:
    answers = iter([HANG, ANSWER])
    agent.replies[Chat] = lambda _: next(answers)
    result = type_("Hello", "Again")
    assert (result.exit_code, agent.cancelled) == (0, 1)
    assert "(stopped)" in result.stderr
    assert _questions(agent) == ["Hello", "Again"]
    assert len(agent.requests[-1].messages) == 3


def test_ctrl_c_at_the_prompt_only_says_how_to_leave(
    type_: Type, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter([KeyboardInterrupt, EOFError])

    def press(_prompt: str = "") -> str:
        raise next(keys)

    monkeypatch.setattr(builtins, "input", press)
    result = type_()
    assert result.exit_code == 0
    assert "Ctrl-D or /exit leaves" in result.stderr


def test_a_failure_does_not_end_the_chat(type_: Type, agent: FakeAgent) -> None:
    answers = iter([failure("worker_crashed", "The worker ended."), ANSWER])
    agent.replies[Chat] = lambda _: next(answers)
    result = type_("Hello", "Again")
    assert result.exit_code == 0
    assert "Error: The worker ended." in result.stderr
    assert len(agent.requests[-1].messages) == 1


@pytest.fixture
def notes(agent: FakeAgent) -> None:
    """There are collections that answer."""
    agent.replies[DocsAsk] = ASKED
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES])


def _asked(agent: FakeAgent) -> list[list[str] | None]:
    """Of each question: the collections that it went to."""
    asked = [request for request in agent.requests if isinstance(request, Chat | DocsAsk)]
    return [request.collections if isinstance(request, DocsAsk) else None for request in asked]


@pytest.mark.usefixtures("notes")
def test_sources_stand_below_each_answer(type_: Type, agent: FakeAgent) -> None:
    result = type_("How long?", "And then?", options=["--docs", "notes"])
    assert result.stdout == f"For hours [1].\n{BELOW}" * 2
    assert "Chatting with smol about notes." in result.stderr
    assert _asked(agent) == [["notes"], ["notes"]]


@pytest.mark.usefixtures("notes")
def test_docs_are_shown_and_changed(type_: Type, agent: FakeAgent) -> None:
    result = type_("/docs", "Hello", "/docs notes 'my papers'", "How?", "/docs", "/docs off", "Hello")
    assert _asked(agent) == [None, ["notes", "my papers"], None]
    assert result.stderr.count("Answers are the model's own.") == 2
    assert result.stderr.count("Answers are from notes, my papers.") == 2


@pytest.mark.usefixtures("notes")
def test_docs_that_are_not_there_change_nothing(type_: Type, agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = failure("not_found", "There is no such collection.")
    result = type_("/docs Ada's", "Hello")
    assert "Error: There is no such collection." in result.stderr
    assert agent.requests[-2] == DocsCollections(name="Ada's")
    assert _asked(agent) == [None]


def test_where_it_is_kept_is_said_once(type_: Type, agent: FakeAgent) -> None:
    agent.replies[ConversationCreate] = ConversationReply(conversation=TALK)
    result = type_("Hello", "Again", "/clear", options=["--keep"])
    assert result.stderr.count("Kept as conversation 5") == 1
    assert "Another conversation begins." in result.stderr
    assert [type(request) for request in agent.requests].count(ConversationCreate) == 1


@pytest.mark.usefixtures("notes")
def test_a_kept_one_goes_on(type_: Type, agent: FakeAgent) -> None:
    turn = ConversationMessage(id=1, message=Message(role="user", content="How?"), created_at=0.0)
    agent.replies[ConversationShow] = ConversationReply(conversation=TALK, messages=[turn])
    result = type_("And then?", options=["--conversation", "5"])
    assert "This goes on after 1 message." in result.stderr
    assert "Kept as" not in result.stderr
    assert agent.requests[-1].conversation == 5


def test_at_a_whole_terminal_the_prompt_is_the_line_editors(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)

    def typed(prompt: str) -> str:
        prompts.append(prompt)
        return "typed"

    monkeypatch.setattr(builtins, "input", typed)
    assert repl._line(">>> ") == "typed"
    assert prompts == [">>> "]
