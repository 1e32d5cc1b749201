from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from samovar_protocol.replies import PsReply
from samovar_protocol.requests import Ps
from samovar_protocol.values import InstanceInfo, Stats
from tests.samovar.cli.fakes import INSTANCE, FakeAgent, document, samovar


def test_a_table_of_stable_columns(agent: FakeAgent) -> None:
    def change(instance: InstanceInfo, **changes: Any) -> InstanceInfo:
        return msgspec.structs.replace(instance, model="smollm2/small", **changes)

    agent.replies[Ps] = PsReply(
        instances=[
            change(INSTANCE),
            change(INSTANCE, identifier="idle", ttl_seconds=3600.0, last_used_at=time.time() - 600),
            change(INSTANCE, identifier="busy", ttl_seconds=60.0, last_used_at=1.0, active=2, queued=3),
            change(
                INSTANCE,
                identifier="used",
                prompt_tokens=2000,
                cached_tokens=1500,
                drafted_tokens=200,
                accepted_tokens=90,
                last=Stats(completion_tokens=101, decode_seconds=2.0),
            ),
            change(INSTANCE, identifier="new", state="loading", progress=0.5, memory_bytes=0, context_length=0),
        ]
    )
    assert samovar("ps").stdout.splitlines() == [
        "IDENTIFIER  MODEL          STATE        CONTEXT  MEMORY  ACTIVE  TOKENS/S  CACHED  DRAFTS  TTL",
        "smol        smollm2/small  ready           8192  180 MB       0         -       -       -  never",
        "idle        smollm2/small  ready           8192  180 MB       0         -       -       -  50m 00s",
        "busy        smollm2/small  ready           8192  180 MB     2+3         -       -       -  1m 00s",
        "used        smollm2/small  ready           8192  180 MB       0      50.0     75%     45%  never",
        "new         smollm2/small  loading 50%        -       -       0         -       -       -  never",
    ]


def test_a_terminal_is_spared_columns_that_say_nothing(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[list[str]] = []
    monkeypatch.setattr("samovar.cli.terminal.stdout_is_terminal", lambda: True)
    monkeypatch.setattr(
        "samovar.cli.output.show_table", lambda columns, rows: titles.append([column.title for column in columns])
    )
    change = msgspec.structs.replace
    same = change(INSTANCE, identifier=INSTANCE.model)
    agent.replies[Ps] = PsReply(instances=[same])
    samovar("ps")
    assert titles[-1] == ["IDENTIFIER", "STATE", "CONTEXT", "MEMORY", "ACTIVE", "TTL"]
    agent.replies[Ps] = PsReply(instances=[same, change(INSTANCE, prompt_tokens=10, cached_tokens=5)])
    samovar("ps")
    assert titles[-1] == ["IDENTIFIER", "MODEL", "STATE", "CONTEXT", "MEMORY", "ACTIVE", "CACHED", "TTL"]


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
                "prompt_tokens": 0,
                "cached_tokens": 0,
                "completion_tokens": 0,
                "drafted_tokens": 0,
                "accepted_tokens": 0,
                "last": None,
                "problem": None,
            }
        ]
    }
