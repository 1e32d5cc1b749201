from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from samovar_protocol.documents import DocumentFilter
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsSearch
from tests.samovar.cli.docs.examples import EVIL, HARMLESS, PASSAGE
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar

FOUND = DocsSearchReply(passages=[PASSAGE], method="words and vectors", seconds=0.0123)
NOTHING = DocsSearchReply(passages=[], method="words", note="There is no embedding model.", seconds=0.001)


def test_passages_say_where_they_stand(agent: FakeAgent) -> None:
    pasted = msgspec.structs.replace(PASSAGE, name="Tea", path=None, page=None, headings=[], text="Hot. " * 100)
    agent.replies[DocsSearch] = msgspec.structs.replace(FOUND, passages=[PASSAGE, pasted], reranked="bge")
    result = samovar("docs", "search", "hot", "tea")
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "1. tea.pdf, page 3, Vessels › Samovar  (0.812)",
        "    /home/me/tea.pdf (document 7, 100-137)",
        "    The samovar keeps tea hot for hours.",
        "",
        "2. Tea  (0.812)",
    ]
    assert lines[5] == "    document 7, 100-137"
    assert [line[:8] for line in lines[6:]] == ["    Hot."] * 3
    assert lines[-1].endswith(" …")
    assert result.stderr == "(searched by words and vectors, ordered by bge, in 0.012 s)\n"
    assert agent.requests == [DocsSearch(query="hot tea")]


def test_options(agent: FakeAgent) -> None:
    agent.replies[DocsSearch] = FOUND
    samovar("docs", "search", "tea", "-c", "notes", "-c", "papers", "--limit", "3", "--words", "--rerank")
    samovar("docs", "search", "tea", "--no-rerank", "--path", "/home/me/", "--type", "pdf", "--since", "2026-01-01")
    assert agent.requests[0] == DocsSearch(
        query="tea", collections=["notes", "papers"], limit=3, words_only=True, rerank=True
    )
    assert agent.requests[1].rerank is False
    assert agent.requests[1].filter == DocumentFilter(
        path_prefix=os.sep + str(Path("home", "me")),
        media_types=("application/pdf",),
        since=agent.requests[1].filter.since,
    )
    assert agent.requests[1].filter.since is not None


def test_nothing_found_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[DocsSearch] = NOTHING
    result = samovar("docs", "search", "tea")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        "Nothing was found.",
        "There is no embedding model.",
        "(searched by words, in 0.001 s)",
    ]


@pytest.mark.parametrize("arguments", [(), (" ",), ("tea", "--limit", "0"), ("tea", "--since", "soon")])
def test_usage_errors(agent: FakeAgent, arguments: tuple[str, ...]) -> None:
    assert samovar("docs", "search", *arguments).exit_code == 2
    assert agent.requests == []


def test_an_unknown_collection(agent: FakeAgent) -> None:
    agent.replies[DocsSearch] = failure("not_found")
    assert samovar("docs", "search", "tea", "-c", "none").exit_code == 4


def test_ctrl_c_stops_the_search(agent: FakeAgent) -> None:
    agent.replies[DocsSearch] = HANG
    result = samovar("docs", "search", "tea")
    assert (result.exit_code, agent.cancelled) == (130, 1)


def test_a_document_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    evil = msgspec.structs.replace(
        PASSAGE, name=f"{EVIL}\n1", path=f"/{EVIL}\n", headings=[EVIL, "b\tc"], text=f"{EVIL}\r\n{EVIL}"
    )
    agent.replies[DocsSearch] = msgspec.structs.replace(FOUND, passages=[evil], note=EVIL)
    result = samovar("docs", "search", "tea")
    assert result.stdout.splitlines() == [
        f"1. {HARMLESS} 1, page 3, {HARMLESS} › b c  (0.812)",
        f"    /{HARMLESS} (document 7, 100-137)",
        f"    {HARMLESS} {HARMLESS}",
    ]
    assert "\x1b" not in result.stderr


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsSearch] = NOTHING
    assert document(samovar("docs", "search", "tea", "--json")) == msgspec.to_builtins(NOTHING)
    agent.replies[DocsSearch] = FOUND
    result = samovar("docs", "search", "tea", "--json")
    assert document(result)["passages"] == [msgspec.to_builtins(PASSAGE)]
    assert result.stderr == ""
