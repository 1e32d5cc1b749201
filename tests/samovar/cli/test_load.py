from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.replies import LoadReply
from samovar_protocol.requests import Load
from samovar_protocol.values import MemoryEstimate, Progress
from tests.samovar.cli.fakes import HANG, INSTANCE, FakeAgent, document, failure, samovar

ESTIMATE = MemoryEstimate(
    need_bytes=312_000_000,
    free_bytes=6_200_000_000,
    weights_bytes=98_000_000,
    cache_bytes=189_000_000,
    buffer_bytes=25_000_000,
    context_length=8192,
)


@pytest.fixture(autouse=True)
def loads(agent: FakeAgent) -> None:
    agent.replies[Load] = LoadReply(estimate=ESTIMATE, instance=INSTANCE)
    agent.chunks[Load] = [Progress(stage="loading", done=0.5, unit="ratio")]


def test_says_what_is_ready_now(agent: FakeAgent) -> None:
    result = samovar("load", "smol")
    assert result.stdout == "smol is ready (8192 tokens of context, 180 MB).\n"
    assert agent.requests == [Load(name="smol")]


def test_every_option_reaches_the_agent(agent: FakeAgent) -> None:
    samovar("load", "smol", "--context", "2048", "--ttl", "10m", "--identifier", "x", "--force")
    assert agent.requests == [Load(name="smol", context=2048, ttl_seconds=600.0, identifier="x", force=True)]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5h", 5400), ("30s", 30), ("2d", 172_800), ("0", None)])
def test_ttl(agent: FakeAgent, text: str, seconds: float | None) -> None:
    samovar("load", "smol", "--ttl", text)
    assert agent.requests[0].ttl_seconds == seconds


@pytest.mark.parametrize("options", [["--ttl", "soon"], ["--ttl", "-5"], ["--context", "0"], ["--context", "many"]])
def test_values_that_make_no_sense_are_usage_errors(agent: FakeAgent, options: list[str]) -> None:
    assert samovar("load", "smol", *options).exit_code == 2
    assert agent.requests == []


def test_one_that_is_there_already_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[Load] = LoadReply(estimate=ESTIMATE, instance=INSTANCE, already_loaded=True)
    assert "was already in memory" in samovar("load", "smol").stdout


def test_estimate_only(agent: FakeAgent) -> None:
    agent.replies[Load] = LoadReply(estimate=ESTIMATE)
    assert samovar("load", "smol", "--estimate-only").stdout.splitlines() == [
        "need   312 MB for 8192 tokens of context",
        "of it  98 MB weights, 189 MB cache, 25 MB buffers",
        "free   6.2 GB",
        "fits   yes",
    ]
    assert agent.requests[0].estimate_only
    agent.replies[Load] = LoadReply(estimate=msgspec.structs.replace(ESTIMATE, free_bytes=1))
    assert samovar("load", "smol", "--estimate-only").stdout.endswith("fits   no\n")


def test_too_little_memory_has_its_own_exit_code(agent: FakeAgent) -> None:
    agent.replies[Load] = failure("not_enough_memory")
    assert samovar("load", "smol").exit_code == 5


def test_ctrl_c_cancels_the_request(agent: FakeAgent) -> None:
    agent.replies[Load] = HANG
    result = samovar("load", "smol")
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert "smol is not in memory" in result.stderr


def test_json() -> None:
    assert document(samovar("load", "smol", "--json")) == {
        "estimate": {
            "need_bytes": 312000000,
            "free_bytes": 6200000000,
            "weights_bytes": 98000000,
            "cache_bytes": 189000000,
            "buffer_bytes": 25000000,
            "context_length": 8192,
        },
        "instance": msgspec.to_builtins(INSTANCE),
        "already_loaded": False,
    }
