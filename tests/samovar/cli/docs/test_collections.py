from __future__ import annotations

import msgspec
import pytest

from samovar.cli.docs.collections import state_of
from samovar_protocol.replies import DocsCollectionsReply
from samovar_protocol.requests import DocsCollections
from tests.samovar.cli.docs.examples import EVIL, HARMLESS, NOTES
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

WORDS = msgspec.structs.replace(NOTES, name="words", model=None, embedded=0, documents=1200, failed=1)


def test_all_or_one(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES, WORDS])
    result = samovar("docs", "collections")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["NAME", "DOCUMENTS", "FAILED", "PASSAGES", "MODEL", "STATE"],
        ["notes", "2", "0", "40", "sentence/minilm", "ready"],
        ["words", "1,200", "1", "40", "words", "alone", "ready"],
    ]
    assert result.stderr == ""
    samovar("docs", "collections", "notes")
    assert agent.requests == [DocsCollections(), DocsCollections(name="notes")]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "ready"),
        ({"queued": 1200}, "reading, 1,200 left"),
        ({"embedded": 39}, "embedding, 97%"),
        ({"next_model": "bge", "embedded": 0}, "embedding, 0%"),
        ({"model": None, "embedded": 0}, "ready"),
        ({"chunks": 0, "embedded": 0}, "ready"),
    ],
)
def test_states(changed: dict[str, object], said: str) -> None:
    assert state_of(msgspec.structs.replace(NOTES, **changed)) == said


def test_a_change_of_the_model_and_a_problem_are_told(agent: FakeAgent) -> None:
    changing = msgspec.structs.replace(NOTES, next_model="bge", problem="The disk is full.", hint="Free some.")
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[changing])
    result = samovar("docs", "collections")
    assert "sentence/minilm, then bge" in result.stdout
    assert result.stderr == "Warning: notes: The disk is full. Free some.\n"


def test_none(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[])
    result = samovar("docs", "collections")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "docs add" in result.stderr
    agent.replies[DocsCollections] = failure("not_found")
    assert samovar("docs", "collections", "none").exit_code == 4


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = DocsCollectionsReply(
        collections=[msgspec.structs.replace(NOTES, name=f"{EVIL}\n", problem=EVIL)]
    )
    result = samovar("docs", "collections")
    assert result.stdout.splitlines()[1].startswith(f"{HARMLESS} ")
    assert "\x1b" not in result.output


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES])
    assert document(samovar("docs", "collections", "--json")) == {"collections": [msgspec.to_builtins(NOTES)]}
