from __future__ import annotations

from samovar_protocol.replies import RmReply
from samovar_protocol.requests import Rm
from tests.samovar.cli.fakes import SMOLLM, FakeAgent, document, failure, samovar


def test_says_what_was_freed(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key=SMOLLM.key, freed_bytes=98_400_000)
    assert samovar("rm", "smol").stdout == "smollm2/smollm2-135m-instruct was removed; 98.4 MB freed.\n"
    assert agent.requests == [Rm(name="smol")]


def test_nothing_freed_says_no_more_than_that(agent: FakeAgent) -> None:
    """It may have been a link, a second name of a file, or an empty one."""
    agent.replies[Rm] = RmReply(key=SMOLLM.key, freed_bytes=0)
    assert samovar("rm", "smol").stdout == (
        "smollm2/smollm2-135m-instruct was removed; that freed no room (what was imported with --link stays).\n"
    )


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key="a/\x1b[2Jb", freed_bytes=1)
    assert samovar("rm", "a/b").stdout == "a/[2Jb was removed; 1 B freed.\n"


def test_a_model_in_use_is_a_failure(agent: FakeAgent) -> None:
    agent.replies[Rm] = failure("model_in_use")
    assert samovar("rm", "smol").exit_code == 1


def test_json(agent: FakeAgent) -> None:
    agent.replies[Rm] = RmReply(key="a/b", freed_bytes=5)
    assert document(samovar("rm", "a/b", "--json")) == {"key": "a/b", "freed_bytes": 5}
