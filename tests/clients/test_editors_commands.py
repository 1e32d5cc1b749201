"""Editors' extensions that come as a command, too: the same program, without the editor around it."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import CHAT, LONG
from tests.clients.installed import from_npm
from tests.clients.program import Program
from tests.processes.agent import AgentProcess

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.model, pytest.mark.timeout(3600)]

CONTEXT = 8192
PROMPT = "Say hello."


def test_continue(program: Program, agent: AgentProcess) -> None:
    command = from_npm("@continuedev/cli@1.5.47") / "node_modules" / ".bin" / "cn"
    settings = f"""
name: Samovar
version: 0.0.1
schema: v1
models:
  - name: Chat
    provider: openai
    model: {CHAT}
    apiBase: {agent.url}/v1
    apiKey: none
    roles: [chat, edit, apply]
    defaultCompletionOptions:
      contextLength: {CONTEXT}
      maxTokens: 32
"""
    path = program.write(".continue/config.yaml", settings)
    told = program.run(command, "-p", PROMPT, "--config", path, CONTINUE_TELEMETRY_ENABLED="0")
    assert told.strip() and "rror" not in told, told


def test_cline(program: Program, agent: AgentProcess) -> None:
    command = from_npm("cline@3.0.65") / "node_modules" / ".bin" / "cline"
    program.run(command, "auth", "-p", "openai", "-k", "none", "-m", LONG, "-b", f"{agent.url}/v1")
    told = program.run(command, "--json", "-P", "openai", "-m", LONG, "--retries", "1", PROMPT)
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    [result] = [line for line in lines if line["type"] == "run_result"]
    assert result["finishReason"] == "completed" and result["usage"]["outputTokens"] > 0, told
