from __future__ import annotations

import msgspec

from samovar_protocol.replies import LsReply
from samovar_protocol.requests import Ls
from tests.samovar.cli.fakes import SMOLLM, FakeAgent, document, samovar

BROKEN = msgspec.structs.replace(
    SMOLLM,
    key="me/broken",
    state="broken",
    problem="It is truncated.",
    parameters=None,
    quantization=None,
    context_length=None,
)


def test_a_table_of_stable_columns(agent: FakeAgent) -> None:
    loaded = msgspec.structs.replace(SMOLLM, loaded=["smol"])
    agent.replies[Ls] = LsReply(models=[BROKEN, loaded])
    result = samovar("ls")
    assert result.stdout.splitlines() == [
        "NAME                              SIZE  PARAMS  QUANT  CONTEXT  FROM     STATE",
        "me/broken                      98.4 MB       -  -            -  library  broken",
        "smollm2/smollm2-135m-instruct  98.4 MB    135M  Q4_1      8192  library  loaded",
    ]
    assert result.stderr == "Warning: me/broken: It is truncated.\n"


def test_an_empty_library_says_what_to_do_next_on_stderr(agent: FakeAgent) -> None:
    agent.replies[Ls] = LsReply(models=[])
    result = samovar("ls")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "samovar get smollm2-135m" in result.stderr


def test_json(agent: FakeAgent) -> None:
    agent.replies[Ls] = LsReply(models=[SMOLLM])
    assert document(samovar("ls", "--json")) == {
        "models": [
            {
                "key": "smollm2/smollm2-135m-instruct",
                "name": "smollm2-135m-instruct",
                "publisher": "smollm2",
                "path": "/models/smollm2.gguf",
                "size_bytes": 98400000,
                "state": "ready",
                "problem": None,
                "architecture": "llama",
                "parameters": 134515008,
                "quantization": "Q4_1",
                "context_length": 8192,
                "capabilities": ["chat"],
                "added_at": 1.0,
                "loaded": [],
                "origin": "library",
                "parts": 1,
                "projector": None,
                "sha256": None,
            }
        ]
    }
    agent.replies[Ls] = LsReply(models=[])
    assert document(samovar("ls", "--json")) == {"models": []}


def test_starts_the_agent_and_says_so_on_stderr(agent: FakeAgent) -> None:
    agent.running = False
    agent.replies[Ls] = LsReply(models=[SMOLLM])
    result = samovar("ls")
    assert (result.exit_code, agent.starts, result.stderr) == (0, 1, "Starting the agent…\n")
