from __future__ import annotations

import pytest

from samovar_protocol.replies import DocsCollectionsReply, DocsRmReply
from samovar_protocol.requests import DocsCollections, DocsDelete
from tests.samovar.cli.docs.examples import EVIL, HARMLESS, NOTES
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


@pytest.fixture(autouse=True)
def notes(agent: FakeAgent) -> None:
    """There is a collection with two documents."""
    agent.replies[DocsCollections] = DocsCollectionsReply(collections=[NOTES])
    agent.replies[DocsDelete] = DocsRmReply(removed=2)


@pytest.mark.usefixtures("at_terminal")
def test_a_person_is_asked(agent: FakeAgent) -> None:
    result = samovar("docs", "delete", "notes", stdin="y\n")
    assert (result.exit_code, result.stdout) == (0, "notes is gone, with 2 documents; files stay where they are.\n")
    assert "Remove notes with what was read of its 2 documents?" in result.stderr
    assert agent.requests == [DocsCollections(name="notes"), DocsDelete(collection="notes")]


@pytest.mark.usefixtures("at_terminal")
@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_who_does_not_say_yes_keeps_it(agent: FakeAgent, typed: str, code: int) -> None:
    assert samovar("docs", "delete", "notes", stdin=typed).exit_code == code
    assert agent.requests == [DocsCollections(name="notes")]


@pytest.mark.usefixtures("at_terminal")
def test_an_unknown_one_is_told_before_anybody_is_asked(agent: FakeAgent) -> None:
    agent.replies[DocsCollections] = failure("not_found")
    result = samovar("docs", "delete", "none")
    assert result.exit_code == 4
    assert "Remove" not in result.stderr


@pytest.mark.usefixtures("at_terminal")
def test_a_name_cannot_steer_the_terminal() -> None:
    result = samovar("docs", "delete", EVIL, stdin="y\n")
    assert f"Remove {HARMLESS} with" in result.stderr
    assert result.stdout.startswith(f"{HARMLESS} is gone")


def test_a_script_says_yes_itself(agent: FakeAgent) -> None:
    result = samovar("docs", "delete", "notes")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert agent.requests == []
    assert samovar("docs", "delete", "notes", "--yes").exit_code == 0
    assert agent.requests == [DocsDelete(collection="notes")]


def test_json() -> None:
    assert document(samovar("docs", "delete", "notes", "--yes", "--json")) == {"removed": 2}
