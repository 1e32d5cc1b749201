from __future__ import annotations

import json
from array import array

import pytest

from samovar.cli import embed
from samovar_protocol.replies import EmbedReply
from samovar_protocol.requests import Embed
from samovar_protocol.values import Progress
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar


@pytest.fixture(autouse=True)
def vectors(agent: FakeAgent) -> None:
    """Each text's vector is its length, and one."""

    def answer(request: Embed) -> EmbedReply:
        data = b"".join(array("f", [len(text), 1]).tobytes() for text in request.inputs)
        return EmbedReply(model="all/minilm", dimensions=2, vectors=data, prompt_tokens=3, seconds=0.25)

    agent.replies[Embed] = answer
    agent.chunks[Embed] = [Progress(stage="loading", done=0.5, total=1, unit="ratio")]


def test_a_line_of_json_for_each_text(agent: FakeAgent) -> None:
    result = samovar("embed", "minilm", "a", "two words")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "[1.0,1.0]\n[9.0,1.0]\n", "")
    assert agent.requests == [Embed(model="minilm", inputs=["a", "two words"])]


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_each_line_of_stdin_is_a_text(agent: FakeAgent, arguments: list[str]) -> None:
    result = samovar("embed", "minilm", *arguments, stdin="one\r\n\nthr\u2028ee\n".encode() + b"\xff")
    assert agent.requests[0].inputs == ["one", "", "thr\u2028ee", "\ufffd"]
    assert len(result.stdout.splitlines()) == 4


def test_many_texts_are_sent_in_parts(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TEXTS_AT_ONCE", 2)
    result = samovar("embed", "minilm", "a", "bb", "ccc")
    assert [request.inputs for request in agent.requests] == [["a", "bb"], ["ccc"]]
    assert [json.loads(line)[0] for line in result.stdout.splitlines()] == [1, 2, 3]


def test_json(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TEXTS_AT_ONCE", 1)
    assert document(samovar("embed", "minilm", "a", "bb", "--json")) == {
        "model": "all/minilm",
        "dimensions": 2,
        "vectors": [[1.0, 1.0], [2.0, 1.0]],
        "prompt_tokens": 6,
        "seconds": 0.5,
    }


def test_dimensions(agent: FakeAgent) -> None:
    samovar("embed", "minilm", "a", "--dimensions", "64")
    assert agent.requests[0].dimensions == 64
    assert samovar("embed", "minilm", "a", "--dimensions", "0").exit_code == 2


def test_no_text_is_a_usage_error(agent: FakeAgent) -> None:
    assert samovar("embed", "minilm").exit_code == 2
    assert agent.requests == []


def test_a_model_that_makes_no_vectors(agent: FakeAgent) -> None:
    agent.replies[Embed] = failure("model_unsupported", "It makes no vectors.")
    result = samovar("embed", "smol", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "It makes no vectors." in result.stderr


def test_ctrl_c_stops_the_work(agent: FakeAgent) -> None:
    agent.replies[Embed] = HANG
    assert samovar("embed", "minilm", "a").exit_code == 130
    assert agent.cancelled == 1
