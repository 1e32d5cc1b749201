from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.replies import DocsCollectionReply
from samovar_protocol.requests import DocsChange
from tests.samovar.cli.docs.examples import NOTES
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_name_and_model(agent: FakeAgent) -> None:
    agent.replies[DocsChange] = DocsCollectionReply(collection=msgspec.structs.replace(NOTES, name="papers"))
    result = samovar("docs", "change", "notes", "--rename", "papers")
    assert result.stdout == "papers: it is searched by words and sentence/minilm.\n"
    agent.replies[DocsChange] = DocsCollectionReply(collection=msgspec.structs.replace(NOTES, next_model="bge"))
    result = samovar("docs", "change", "notes", "--model", "bge")
    assert result.stdout == ("notes: it changes to bge in the background, and sentence/minilm serves meanwhile.\n")
    agent.replies[DocsChange] = DocsCollectionReply(collection=msgspec.structs.replace(NOTES, model=None))
    assert samovar("docs", "change", "notes", "--words-only").stdout == "notes: it is searched by words alone.\n"
    assert agent.requests == [
        DocsChange(collection="notes", rename="papers"),
        DocsChange(collection="notes", model="bge"),
        DocsChange(collection="notes", words_only=True),
    ]


@pytest.mark.parametrize("options", [(), ("--model", "bge", "--words-only")])
def test_usage_errors(agent: FakeAgent, options: tuple[str, ...]) -> None:
    assert samovar("docs", "change", "notes", *options).exit_code == 2
    assert agent.requests == []


def test_an_unknown_collection(agent: FakeAgent) -> None:
    agent.replies[DocsChange] = failure("not_found")
    assert samovar("docs", "change", "none", "--rename", "some").exit_code == 4


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsChange] = DocsCollectionReply(collection=NOTES)
    shown = document(samovar("docs", "change", "notes", "--words-only", "--json"))
    assert shown == {"collection": msgspec.to_builtins(NOTES)}
