from __future__ import annotations

import time

import msgspec

from samovar_protocol.replies import PsReply
from samovar_protocol.requests import Ps
from tests.samovar.cli.fakes import INSTANCE, FakeAgent, document, samovar


def test_a_table_of_stable_columns(agent: FakeAgent) -> None:
    change = msgspec.structs.replace
    agent.replies[Ps] = PsReply(
        instances=[
            INSTANCE,
            change(INSTANCE, identifier="idle", ttl_seconds=3600.0, last_used_at=time.time() - 600),
            change(INSTANCE, identifier="busy", ttl_seconds=60.0, last_used_at=1.0, active=2, queued=3),
            change(INSTANCE, identifier="new", state="loading", progress=0.5, memory_bytes=0, context_length=0),
        ]
    )
    assert samovar("ps").stdout.splitlines() == [
        "IDENTIFIER  MODEL                          STATE        CONTEXT  MEMORY  ACTIVE  TTL",
        "smol        smollm2/smollm2-135m-instruct  ready           8192  180 MB       0  never",
        "idle        smollm2/smollm2-135m-instruct  ready           8192  180 MB       0  50m 00s",
        "busy        smollm2/smollm2-135m-instruct  ready           8192  180 MB     2+3  1m 00s",
        "new         smollm2/smollm2-135m-instruct  loading 50%        -       -       0  never",
    ]


def test_an_empty_memory_says_what_to_do_next_on_stderr(agent: FakeAgent) -> None:
    agent.replies[Ps] = PsReply(instances=[])
    result = samovar("ps")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "samovar load" in result.stderr


def test_json(agent: FakeAgent) -> None:
    agent.replies[Ps] = PsReply(instances=[INSTANCE])
    assert document(samovar("ps", "--json")) == {
        "instances": [
            {
                "identifier": "smol",
                "model": "smollm2/smollm2-135m-instruct",
                "state": "ready",
                "progress": 0.0,
                "context_length": 8192,
                "memory_bytes": 180000000,
                "pid": None,
                "runtime": "",
                "loaded_at": 1.0,
                "last_used_at": None,
                "ttl_seconds": None,
                "active": 0,
                "queued": 0,
                "requests": 0,
                "completion_tokens": 0,
                "problem": None,
            }
        ]
    }
