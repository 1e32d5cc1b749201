"""aider, which edits files: a model as small as this one cannot, but the conversation must be a whole one."""

from __future__ import annotations

import json
import re

import pytest

from tests.clients.conftest import CHAT
from tests.clients.installed import from_pypi
from tests.clients.program import Program
from tests.processes.agent import AgentProcess

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.model, pytest.mark.timeout(1800)]

QUIET = ("--no-git", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings")


@pytest.mark.parametrize("way", ["openai", "ollama"])
def test_a_message(program: Program, agent: AgentProcess, way: str) -> None:
    aider = from_pypi("aider-chat==0.86.2") / "aider"
    (program.work / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    model, environ = {
        "openai": (f"openai/{CHAT}", {"OPENAI_API_BASE": f"{agent.url}/v1", "OPENAI_API_KEY": "none"}),
        "ollama": (f"ollama_chat/{CHAT}", {"OLLAMA_API_BASE": agent.url}),
    }[way]
    facts = {"max_input_tokens": 8192, "max_output_tokens": 1024, "litellm_provider": "openai", "mode": "chat"}
    program.write("work/.aider.model.metadata.json", json.dumps({model: facts}))  # or it looks for them in the web
    told = program.run(
        *(aider, "--model", model, "--message", "Mend calc.py.", "--map-tokens", "0", "--no-pretty", *QUIET),
        "calc.py",
        **environ,
    )
    tokens = re.search(r"Tokens: ([\d.,k]+) sent, (\d+) received", told)
    assert tokens and int(tokens[2]) > 0, told
    assert "litellm." not in told and "Retrying" not in told, told
