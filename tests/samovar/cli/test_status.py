from __future__ import annotations

import time

import msgspec

from samovar_protocol.requests import Status
from samovar_protocol.values import HttpInfo, NetworkInfo
from tests.samovar.cli.fakes import INSTANCE, STATUS, FakeAgent, document, failure, samovar


def test_a_few_aligned_lines(agent: FakeAgent) -> None:
    agent.replies[Status] = msgspec.structs.replace(STATUS, started_at=time.time() - 7805)
    result = samovar("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "agent      0.1.0, pid 4242, up 2h 10m",
        "memory     61 MB without the models",
        "home       /home/me/.local/share/samovar",
        "http       http://127.0.0.1:7266",
        "network    online: downloads and refreshes may leave this machine",
        "models     1 on this machine, 1 in memory",
        "in memory  smol ready, 180 MB",
    ]


def test_problems_are_shown(agent: FakeAgent) -> None:
    agent.replies[Status] = msgspec.structs.replace(
        STATUS,
        http=HttpInfo(problem="Port 7266 is taken by another program."),
        network=NetworkInfo(policy="offline", connected=False),
        models=0,
        instances=[
            msgspec.structs.replace(INSTANCE, state="loading", progress=0.42, memory_bytes=0),
            msgspec.structs.replace(INSTANCE, identifier="busy", active=2, queued=1),
        ],
    )
    shown = samovar("status").stdout
    assert "http       Port 7266 is taken by another program.\n" in shown
    assert "offline: nothing may leave this machine; there is no network now\n" in shown
    assert "`samovar get smollm2-135m`" in shown
    assert "smol loading, 42%\n" in shown
    assert "busy ready, 180 MB, 2 active, 1 waiting\n" in shown


def test_json(agent: FakeAgent) -> None:
    found = document(samovar("status", "--json"))
    assert found == {"running": True, **msgspec.to_builtins(STATUS)}
    assert {"version", "pid", "started_at", "home", "memory_bytes", "http", "network", "models", "instances"} < set(
        found
    )


def test_without_an_agent_it_says_so_and_starts_none(agent: FakeAgent) -> None:
    agent.running = False
    result = samovar("status")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "is not running" in result.stderr
    result = samovar("status", "--json")
    assert result.exit_code == 3
    assert document(result) == {"running": False}
    assert agent.starts == 0


def test_other_failures_stay_failures(agent: FakeAgent) -> None:
    agent.replies[Status] = failure("unsupported_version")
    assert samovar("status").exit_code == 1
