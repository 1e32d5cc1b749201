from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.documents import DocumentFilter
from samovar_protocol.requests import DOCS_ASK_THINKING_TOKENS, DOCS_ASK_TOKENS, DocsAsk
from samovar_protocol.values import ChatOptions, Progress, Sampling, Stats, Text
from tests.samovar.cli.docs.examples import ASKED, BELOW, NOT_FOUND
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar


@pytest.fixture(autouse=True)
def answers(agent: FakeAgent) -> None:
    """The answer comes in two pieces."""
    agent.replies[DocsAsk] = ASKED
    agent.chunks[DocsAsk] = [
        Progress(stage="loading", done=0.5, unit="ratio"),
        Text(text="For "),
        Text(text="hours [1]."),
    ]


def test_the_answer_and_then_its_sources() -> None:
    result = samovar("docs", "ask", "How long", "is it hot?")
    assert (result.exit_code, result.stdout) == (0, f"For hours [1].\n{BELOW}")
    assert result.stderr == "(The model read 1 passage of tea.pdf.)\n"


def test_what_is_asked(agent: FakeAgent) -> None:
    samovar("docs", "ask", "How long", "is it hot?")
    assert agent.requests == [DocsAsk(question="How long is it hot?")]


def test_options(agent: FakeAgent) -> None:
    options = ["-c", "notes", "-c", "papers", "--model", "smol", "--system", "Be brief.", "--no-think"]
    samovar("docs", "ask", "How?", *options, "--whole", "--type", "md", "--path", "/home/me", "--seed", "7")
    assert agent.requests == [
        DocsAsk(
            question="How?",
            collections=["notes", "papers"],
            model="smol",
            system="Be brief.",
            whole=True,
            filter=DocumentFilter(path_prefix="/home/me", media_types=("text/markdown",)),
            sampling=Sampling(temperature=0.2, seed=7),
            options=ChatOptions(thinking=False),
        )
    ]
    samovar("docs", "ask", "How?", "--passages", "--temperature", "0.9", "--max-tokens", "5")
    assert agent.requests[1].whole is False
    assert agent.requests[1].sampling == Sampling(temperature=0.9, max_tokens=5)


def test_why_an_answer_ends_early(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = msgspec.structs.replace(ASKED, finish_reason="length")
    assert "context is full" in samovar("docs", "ask", "How?").stderr
    assert "context is full" not in samovar("docs", "ask", "How?", "--max-tokens", "5").stderr
    stats = Stats(completion_tokens=DOCS_ASK_TOKENS)
    agent.replies[DocsAsk] = msgspec.structs.replace(ASKED, finish_reason="length", stats=stats)
    assert "ends here after 1,024 tokens; --max-tokens allows more" in samovar("docs", "ask", "How?").stderr


def test_the_help_names_the_protocols_default() -> None:
    shown = " ".join(samovar("docs", "ask", "--help").stdout.split())
    assert f"Default {DocsAsk(question='?').sampling.temperature}." in shown
    assert f"Default {DOCS_ASK_TOKENS}, and {DOCS_ASK_THINKING_TOKENS} where" in shown


def test_what_is_piped_in_is_put_behind(agent: FakeAgent) -> None:
    samovar("docs", "ask", "Is this true?", stdin="Tea is cold.\n")
    assert agent.requests[0].question == "Is this true?\n\nTea is cold."


@pytest.mark.usefixtures("at_terminal")
def test_no_question_is_a_usage_error(agent: FakeAgent) -> None:
    assert samovar("docs", "ask").exit_code == 2
    assert samovar("docs", "ask", " ").exit_code == 2
    assert agent.requests == []


def test_what_the_documents_do_not_tell_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[DocsAsk], agent.chunks[DocsAsk] = NOT_FOUND, []
    result = samovar("docs", "ask", "Why?")
    assert (result.exit_code, result.stdout) == (0, "Not in these documents.\n")
    assert result.stderr == "(Nothing that fits was found, so no model was asked.)\n"


def test_stats() -> None:
    assert "first token after 0.50 s" in samovar("docs", "ask", "Why?", "--stats").stderr


def test_ctrl_c_stops_the_answer(agent: FakeAgent) -> None:
    agent.replies[DocsAsk] = HANG
    result = samovar("docs", "ask", "Why?")
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert result.stdout == "For hours [1].\n"


@pytest.mark.parametrize(("code", "exit_code"), [("not_found", 4), ("context_overflow", 1), ("model_unknown", 4)])
def test_failures(agent: FakeAgent, code: str, exit_code: int) -> None:
    agent.replies[DocsAsk], agent.chunks[DocsAsk] = failure(code, "It did not work."), []
    result = samovar("docs", "ask", "Why?")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert "Error: It did not work." in result.stderr


def test_json() -> None:
    result = samovar("docs", "ask", "Why?", "--json")
    assert document(result) == msgspec.to_builtins(ASKED)
    assert result.stderr == ""
