from __future__ import annotations

import pytest

from samovar_protocol.replies import OptionsReply, SearchReply
from samovar_protocol.requests import Options, Search
from samovar_protocol.values import CatalogEntry, FileOption
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

SMALL = FileOption(name="q/Small@Q4_K_M", quantization="Q4_K_M", size_bytes=400_000_000, fit="fits", present=True)
LARGE = FileOption(name="q/Small@F16", quantization="F16", size_bytes=99_000_000_000, parts=3, fit="too-large")
UNKNOWN = FileOption(name="q/Small@Q8_0", quantization="Q8_0")
ENTRY = CatalogEntry(
    key="q/Small",
    publisher="q",
    name="Small",
    description="A small model.",
    licence="Apache-2.0",
    parameters=494_000_000,
    downloads=12_300,
    likes=45,
    files=[SMALL, LARGE, UNKNOWN],
    recommended=SMALL.name,
)


def test_words_are_searched_for(agent: FakeAgent) -> None:
    agent.replies[Search] = SearchReply(results=[ENTRY], as_of=1.0)
    result = samovar("search", "small", "coder", "--sort", "likes", "--limit", "5")
    assert agent.requests == [Search(query="small coder", sort="likes", limit=5)]
    assert result.stdout.splitlines()[1].split() == ["q/Small", "494M", "12.3K", "45", "Apache-2.0", "3", "fits"]
    assert result.stderr == ""


def test_offline_the_age_is_said(agent: FakeAgent) -> None:
    note = "Samovar works offline; this is what the hub said 3 days ago."
    agent.replies[Search] = SearchReply(results=[], as_of=1.0, note=note)
    assert samovar("search", "x").stderr == f"Nothing was found for 'x'.\n{note}\n"


@pytest.mark.parametrize(
    "name", ["q/Small", "q/Small@Q8_0", "https://hub.example/q/Small/resolve/main/a.gguf", "hf:q/Small:Q8_0"]
)
def test_a_repository_or_an_address_shows_its_files(agent: FakeAgent, name: str) -> None:
    agent.replies[Options] = OptionsReply(entry=ENTRY, as_of=1.0)
    shown = samovar("search", name).stdout
    assert agent.requests == [Options(name=name)]
    rows = [line.split() for line in shown.splitlines() if line.startswith("q/Small@")]
    assert rows == [
        ["q/Small@Q4_K_M", "400", "MB", "1", "fits", "here"],
        ["q/Small@F16", "99", "GB", "3", "too", "large"],
        ["q/Small@Q8_0", "-", "1", "-"],
    ]
    assert "Apache-2.0" in shown


def test_gated_is_said_before_a_download_fails(agent: FakeAgent) -> None:
    gated = CatalogEntry(key="a/b", publisher="a", name="b", gated=True)
    agent.replies[Options] = OptionsReply(entry=gated)
    assert "HF_TOKEN" in samovar("search", "a/b").stdout


def test_failures_have_their_exit_codes(agent: FakeAgent) -> None:
    agent.replies[Options] = failure("gated")
    assert samovar("search", "a/b").exit_code == 6
    agent.replies[Options] = failure("not_found")
    assert samovar("search", "a/b").exit_code == 4


def test_json(agent: FakeAgent) -> None:
    agent.replies[Search] = SearchReply(results=[ENTRY], as_of=1.0)
    agent.replies[Options] = OptionsReply(entry=ENTRY, as_of=1.0)
    found = document(samovar("search", "small", "--json"))
    assert (found["results"][0]["key"], found["as_of"], found["note"]) == ("q/Small", 1.0, "")
    assert document(samovar("search", "q/Small", "--json"))["entry"] == found["results"][0]
