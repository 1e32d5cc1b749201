from __future__ import annotations

from samovar_protocol.replies import RmReply
from samovar_protocol.requests import Rm
from tests.samovar.cli.fakes import SMOLLM, FakeAgent, document, failure, samovar


def test_says_what_was_freed(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key=SMOLLM.key, freed_bytes=98_400_000)
    assert samovar("rm", "smol").stdout == "smollm2/smollm2-135m-instruct was removed; 98.4 MB freed.\n"
    assert agent.requests == [Rm(name="smol")]


def test_a_linked_file_stays(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key=SMOLLM.key, freed_bytes=0)
    assert "its file was left alone" in samovar("rm", "smol").stdout


def test_a_model_in_use_is_a_failure(agent: FakeAgent) -> None:
    agent.replies[Rm] = failure("model_in_use")
    assert samovar("rm", "smol").exit_code == 1


def test_json(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key="a/b", freed_bytes=5)
    assert document(samovar("rm", "a/b", "--json")) == {"key": "a/b", "freed_bytes": 5}
