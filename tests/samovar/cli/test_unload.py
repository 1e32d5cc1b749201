from __future__ import annotations

import pytest

from samovar_protocol.replies import UnloadReply
from samovar_protocol.requests import Unload
from tests.samovar.cli.fakes import FakeAgent, document, samovar


def test_one(agent: FakeAgent) -> None:
    agent.replies[Unload] = UnloadReply(identifiers=["smol"])
    assert samovar("unload", "smol").stdout == "Out of memory now: smol.\n"
    assert agent.requests == [Unload(name="smol")]


def test_all(agent: FakeAgent) -> None:
    agent.replies[Unload] = UnloadReply(identifiers=["a", "b"])
    assert "a, b" in samovar("unload", "--all").stdout
    assert agent.requests == [Unload(all=True)]


def test_nothing_to_unload_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[Unload] = UnloadReply(identifiers=[])
    result = samovar("unload", "--all")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No model was in memory.\n")


@pytest.mark.parametrize("arguments", [[], ["smol", "--all"]])
def test_one_or_all_must_be_said(agent: FakeAgent, arguments: list[str]) -> None:
    assert samovar("unload", *arguments).exit_code == 2
    assert agent.requests == []


def test_json(agent: FakeAgent) -> None:
    agent.replies[Unload] = UnloadReply(identifiers=["smol"])
    assert document(samovar("unload", "smol", "--json")) == {"identifiers": ["smol"]}
