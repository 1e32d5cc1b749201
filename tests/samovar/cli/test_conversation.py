"""What `chat` and `run` share: streaming, stdin, getting a missing model, interruption, failures."""

from __future__ import annotations

import msgspec
import pytest

from samovar.cli import terminal
from samovar.cli.conversation import Conversation, stats_line
from samovar_protocol import SamovarError
from samovar_protocol.replies import GetReply, LoadReply, LsReply, PsReply
from samovar_protocol.requests import Chat, Get, Load, Ls, Ps
from samovar_protocol.values import MemoryEstimate, Message, Progress, Stats, Text, Thinking
from tests.samovar.cli.fakes import ANSWER, HANG, INSTANCE, SMOLLM, FakeAgent, failure

UNKNOWN = failure("model_unknown", "No model is called 'smollm2-135m'.")
ESTIMATE = LoadReply(
    estimate=MemoryEstimate(
        need_bytes=1, free_bytes=2, weights_bytes=1, cache_bytes=0, buffer_bytes=0, context_length=8192
    )
)


def _known_after_get(agent: FakeAgent) -> None:
    """The model is in the catalog, and known only once it was downloaded."""

    def have(request: object) -> bool:
        return getattr(request, "model", None) == SMOLLM.key or getattr(request, "name", None) == SMOLLM.key

    agent.replies[Chat] = lambda request: ANSWER if have(request) else UNKNOWN
    agent.replies[Load] = lambda request: ESTIMATE if have(request) else UNKNOWN
    agent.replies[Get] = GetReply(model=SMOLLM)
    agent.replies[Ps] = PsReply(instances=[])
    agent.chunks[Chat] = []


def test_the_whole_conversation_is_sent_each_time(agent: FakeAgent) -> None:
    conversation = Conversation(model="smol", system="Be brief.")
    conversation.ask("What is the capital of France?")
    conversation.ask("And of Spain?")
    assert [message.role for message in agent.requests[1].messages] == ["system", "user", "assistant", "user"]
    assert agent.requests[1].messages[2] == Message(role="assistant", content="Paris.")


def test_the_first_reply_settles_the_model(agent: FakeAgent) -> None:
    conversation = Conversation()
    conversation.ask("Hello")
    conversation.ask("Hello")
    assert [request.model for request in agent.requests] == [None, "smol"]


def test_a_failure_leaves_no_trace_in_the_conversation(agent: FakeAgent) -> None:
    conversation = Conversation(model="smol")
    agent.replies[Chat] = failure("worker_crashed")
    with pytest.raises(SamovarError):
        conversation.ask("Hello")
    assert conversation.messages == []


def test_what_was_said_before_ctrl_c_stays(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.replies[Chat] = HANG
    conversation = Conversation(model="smol")
    with pytest.raises(KeyboardInterrupt):
        conversation.ask("Hello")
    assert agent.cancelled == 1
    assert conversation.messages[-1] == Message(role="assistant", content="Paris.")
    assert capsys.readouterr().out == "Paris.\n"


def test_text_comes_as_it_is_and_ends_with_one_line_break(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.chunks[Chat] = [Progress(stage="loading", done=0.5, unit="ratio"), Text(text="A\n"), Text(text="B\n")]
    Conversation().ask("Hello")
    assert capsys.readouterr() == ("A\nB\n", "")


def test_a_model_of_the_catalog_is_downloaded_first(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    _known_after_get(agent)
    conversation = Conversation(model="smollm2-135m", get_missing=True)
    conversation.ask("Hello")
    assert [type(request) for request in agent.requests] == [Chat, Get, Chat]
    assert conversation.model == SMOLLM.key
    assert "looking for it in the catalog" in capsys.readouterr().err


def test_a_model_is_downloaded_only_where_that_was_asked_for(agent: FakeAgent) -> None:
    _known_after_get(agent)
    with pytest.raises(SamovarError, match="No model is called"):
        Conversation(model="smollm2-135m").ask("Hello")
    assert [type(request) for request in agent.requests] == [Chat]


@pytest.mark.parametrize(
    ("failed", "code"), [("model_unknown", "model_unknown"), ("network_offline", "network_offline")]
)
def test_a_model_that_cannot_be_downloaded(agent: FakeAgent, failed: str, code: str) -> None:
    _known_after_get(agent)
    agent.replies[Get] = failure(failed, "From the catalog.")
    with pytest.raises(SamovarError) as caught:
        Conversation(model="smollm2-135m", get_missing=True).ask("Hello")
    assert caught.value.code == code
    # Of two "unknown" the first says more: it knows what there is on this machine.
    assert ("No model is called" in str(caught.value)) == (failed == "model_unknown")


def test_prepare_downloads_before_the_first_question(agent: FakeAgent) -> None:
    _known_after_get(agent)
    conversation = Conversation(model="smollm2-135m", get_missing=True)
    conversation.prepare()
    assert [type(request) for request in agent.requests] == [Ps, Load, Get]
    assert agent.requests[1].estimate_only
    assert conversation.model == SMOLLM.key


def test_prepare_takes_the_one_in_memory(agent: FakeAgent) -> None:
    agent.replies[Ps] = PsReply(instances=[INSTANCE])
    conversation = Conversation()
    conversation.prepare()
    assert conversation.model == "smol"


def test_prepare_knows_instances_by_their_own_names(agent: FakeAgent) -> None:
    agent.replies[Ps] = PsReply(instances=[INSTANCE])
    Conversation(model="smol").prepare()
    assert [type(request) for request in agent.requests] == [Ps]


def test_prepare_says_what_to_do_where_there_is_no_model(agent: FakeAgent) -> None:
    agent.replies[Ps] = PsReply(instances=[])
    agent.replies[Ls] = LsReply(models=[])
    with pytest.raises(SamovarError, match="samovar get") as caught:
        Conversation().prepare()
    assert caught.value.code == "model_unknown"
    agent.replies[Ls] = LsReply(models=[SMOLLM, msgspec.structs.replace(SMOLLM, key="other")])
    Conversation().prepare()


@pytest.fixture
def thinking(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model reasons first, and stderr is a terminal."""
    agent.chunks[Chat] = [Thinking(text="It is\x07 "), Thinking(text="Paris."), Text(text="Paris.")]
    agent.replies[Chat] = msgspec.structs.replace(ANSWER, reasoning="It is Paris.")
    monkeypatch.setattr(terminal, "stderr_is_terminal", lambda: True)


@pytest.mark.usefixtures("thinking")
def test_thoughts_are_dimmed_above_the_answer_and_never_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    Conversation().ask("Hello")
    assert capsys.readouterr() == ("Paris.\n", "It is Paris.\n\n")


@pytest.mark.usefixtures("thinking")
def test_thoughts_are_dim_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    Conversation().ask("Hello")
    assert capsys.readouterr().err == "\x1b[2mIt is \x1b[0m\x1b[2mParis.\x1b[0m\n\n"


@pytest.mark.usefixtures("thinking")
def test_thoughts_without_an_answer_end_their_line(agent: FakeAgent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.chunks[Chat] = agent.chunks[Chat][:2]
    agent.replies[Chat] = failure("worker_crashed")
    with pytest.raises(SamovarError):
        Conversation().ask("Hello")
    assert capsys.readouterr() == ("", "It is Paris.\n\n")


@pytest.mark.usefixtures("thinking")
def test_thoughts_go_nowhere_but_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Conversation(show=False).ask("Hello")
    monkeypatch.setattr(terminal, "stderr_is_terminal", lambda: False)
    Conversation().ask("Hello")
    assert capsys.readouterr() == ("Paris.\n", "")


@pytest.mark.usefixtures("thinking")
def test_thoughts_stay_with_their_answer(agent: FakeAgent) -> None:
    conversation = Conversation()
    conversation.ask("Hello")
    assert conversation.messages[1] == Message(role="assistant", content="Paris.", reasoning="It is Paris.")


def test_stats_line() -> None:
    assert stats_line(ANSWER.stats) == (
        "first token after 0.75 s (0.50 s to load the model), prompt 20 tokens (12 cached) in 0.25 s, "
        "reply 3 tokens in 0.04 s (50.0 tokens/s), 0.8s in all"
    )
    busy = Stats(
        prompt_tokens=9,
        completion_tokens=1,
        queue_seconds=1.5,
        load_seconds=0.5,
        prompt_seconds=2.0,
        drafted_tokens=10,
        accepted_tokens=8,
    )
    assert stats_line(busy) == (
        "first token after 4.00 s (1.50 s in the queue, 0.50 s to load the model), "
        "prompt 9 tokens (0 cached) in 2.00 s, reply 1 tokens in 0.00 s, 8 of 10 guessed tokens right, "
        "4.0s in all"
    )
    assert "tokens/s" not in stats_line(Stats(prompt_tokens=1, completion_tokens=1))
