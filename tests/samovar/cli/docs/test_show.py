from __future__ import annotations

import msgspec
import pytest

from samovar.cli import terminal
from samovar.cli.docs import show
from samovar_protocol.replies import DocsTextReply
from samovar_protocol.requests import DocsText
from tests.samovar.cli.docs.examples import READY
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

TEXT = "Tea is hot. Snow is cold."


@pytest.fixture(autouse=True)
def says(agent: FakeAgent) -> None:
    """Document 7 says TEXT."""

    def answer(request: DocsText) -> DocsTextReply:
        end = len(TEXT) if request.end is None else min(request.end, len(TEXT))
        return DocsTextReply(
            document=READY, text=TEXT[request.start : end], start=request.start, end=end, length=len(TEXT)
        )

    agent.replies[DocsText] = answer


def test_the_text_alone_is_on_stdout() -> None:
    result = samovar("docs", "show", "7")
    assert (result.exit_code, result.stdout) == (0, TEXT + "\n")
    assert result.stderr == "/home/me/tea.pdf, 4 pages\n"


def test_a_part() -> None:
    assert samovar("docs", "show", "7", "--from", "4", "--to", "10").stdout == "is hot\n"
    assert samovar("docs", "show", "7", "--from", "12").stdout == "Snow is cold.\n"
    assert samovar("docs", "show", "7", "--from", "4", "--to", "4").stdout == ""
    assert samovar("docs", "show", "7", "--from", "4", "--to", "3").exit_code == 2


@pytest.mark.parametrize(("options", "shown", "asked"), [((), TEXT, 3), (("--from", "4", "--to", "15"), TEXT[4:15], 2)])
def test_a_long_text_comes_in_portions(
    agent: FakeAgent, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], shown: str, asked: int
) -> None:
    monkeypatch.setattr(show, "PORTION", 10)
    assert samovar("docs", "show", "7", *options).stdout == shown + "\n"
    assert len(agent.requests) == asked
    whole = document(samovar("docs", "show", "7", *options, "--json"))
    assert (whole["text"], whole["start"], whole["end"]) == (shown, TEXT.index(shown), TEXT.index(shown) + len(shown))


def test_a_text_cannot_steer_a_terminal(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "a\x1b[2Jb\n"
    agent.replies[DocsText] = DocsTextReply(
        document=msgspec.structs.replace(READY, path=evil, pages=None), text=evil, start=0, end=6, length=6
    )
    result = samovar("docs", "show", "7")
    assert result.stdout == evil  # a file or a pipe gets what the document says
    assert "\x1b" not in result.stderr
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    assert samovar("docs", "show", "7").stdout == "a[2Jb\n"


def test_an_unknown_document(agent: FakeAgent) -> None:
    agent.replies[DocsText] = failure("not_found")
    assert samovar("docs", "show", "9").exit_code == 4


def test_json() -> None:
    assert document(samovar("docs", "show", "7", "--json")) == {
        "document": msgspec.to_builtins(READY),
        "text": TEXT,
        "start": 0,
        "end": len(TEXT),
        "length": len(TEXT),
    }
