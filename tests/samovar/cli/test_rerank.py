from __future__ import annotations

import pytest

from samovar_protocol.replies import RerankReply
from samovar_protocol.requests import Rerank
from samovar_protocol.values import RankedDocument
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


@pytest.fixture(autouse=True)
def ranking(agent: FakeAgent) -> None:
    results = [RankedDocument(index=1, score=7.5), RankedDocument(index=0, score=-10.25)]
    agent.replies[Rerank] = RerankReply(model="ranker", results=results, prompt_tokens=9, seconds=0.5)


def test_the_best_is_first(agent: FakeAgent) -> None:
    result = samovar("rerank", "ranker", "tea?", "Snow.", "A samovar\nkeeps tea hot.")
    assert result.stdout.splitlines() == [
        "  SCORE  #  DOCUMENT",
        "  7.500  1  A samovar keeps tea hot.",
        "-10.250  0  Snow.",
    ]
    assert agent.requests == [Rerank(model="ranker", query="tea?", documents=["Snow.", "A samovar\nkeeps tea hot."])]


def test_each_line_of_stdin_is_a_document(agent: FakeAgent) -> None:
    samovar("rerank", "ranker", "tea?", "-", "--top", "1", stdin="Snow.\nA samovar.\n")
    assert agent.requests == [Rerank(model="ranker", query="tea?", documents=["Snow.", "A samovar."], top=1)]


def test_json(agent: FakeAgent) -> None:
    assert document(samovar("rerank", "ranker", "tea?", "Snow.", "A samovar.", "--json")) == {
        "model": "ranker",
        "results": [{"index": 1, "score": 7.5}, {"index": 0, "score": -10.25}],
        "prompt_tokens": 9,
        "seconds": 0.5,
    }


@pytest.mark.parametrize(
    "arguments", [["tea?"], ["", "Snow."], ["tea?", "Snow.", "--top", "0"]], ids=["no document", "no query", "top 0"]
)
def test_usage_errors(agent: FakeAgent, arguments: list[str]) -> None:
    assert samovar("rerank", "ranker", *arguments).exit_code == 2
    assert agent.requests == []


def test_a_model_that_ranks_nothing(agent: FakeAgent) -> None:
    agent.replies[Rerank] = failure("model_unsupported", "It ranks nothing.")
    result = samovar("rerank", "smol", "tea?", "Snow.")
    assert result.exit_code == 1
    assert "It ranks nothing." in result.stderr
