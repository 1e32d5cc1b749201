from __future__ import annotations

import msgspec

from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsCreate
from tests.samovar.cli.docs.examples import EVIL, HARMLESS, NOTES
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

WORDS = msgspec.structs.replace(NOTES, model=None)


def test_by_what_it_is_searched(agent: FakeAgent) -> None:
    agent.replies[DocsCreate] = lambda request: DocsCollectionReply(collection=WORDS if request.words_only else NOTES)
    assert samovar("docs", "create", "notes").stdout == "notes is there; it is searched by words and sentence/minilm.\n"
    assert samovar("docs", "create", "notes", "--words-only").stdout == (
        "notes is there; it is searched by words alone.\n"
    )
    samovar("docs", "create", "notes", "--model", "minilm")
    assert agent.requests == [
        DocsCreate(name="notes"),
        DocsCreate(name="notes", words_only=True),
        DocsCreate(name="notes", model="minilm"),
    ]


def test_what_it_lacks_is_told(agent: FakeAgent) -> None:
    lacking = msgspec.structs.replace(WORDS, problem="There is no embedding model.", hint="Get one.")
    agent.replies[DocsCreate] = DocsCollectionReply(collection=lacking)
    assert samovar("docs", "create", "notes").stderr == "Warning: notes: There is no embedding model. Get one.\n"


def test_failures(agent: FakeAgent) -> None:
    assert samovar("docs", "create", "notes", "--model", "minilm", "--words-only").exit_code == 2
    assert samovar("docs", "create").exit_code == 2
    assert agent.requests == []
    agent.replies[DocsCreate] = failure("bad_request", "There is a collection 'notes' already.")
    assert samovar("docs", "create", "notes").exit_code == 2
    agent.replies[DocsCreate] = failure("model_unknown")
    assert samovar("docs", "create", "notes", "--model", "none").exit_code == 4


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[DocsCreate] = DocsCollectionReply(collection=msgspec.structs.replace(NOTES, name=EVIL, model=EVIL))
    assert (
        samovar("docs", "create", "notes").stdout == f"{HARMLESS} is there; it is searched by words and {HARMLESS}.\n"
    )


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsCreate] = DocsCollectionReply(collection=NOTES)
    assert document(samovar("docs", "create", "notes", "--json")) == {"collection": msgspec.to_builtins(NOTES)}
