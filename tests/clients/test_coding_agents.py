"""Coding agents, each over another interface, with the prompts of thousands of tokens that they send by themselves.

What a model as small as this one says is nonsense; what must hold is that the conversation goes through, and comes back
as the program's own reply.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import CHAT, LONG
from tests.clients.installed import from_npm
from tests.clients.program import Program
from tests.processes.agent import AgentProcess

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.model, pytest.mark.timeout(3600)]

CONTEXT = 8192
LONG_CONTEXT = 12288
"""For the 9,000 tokens that Codex begins with, and not much more: a base model has no end."""
PROMPT = "Say hello."


def program_of(package: str, name: str) -> Path:
    return from_npm(package) / "node_modules" / ".bin" / name


def lines(told: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def codex_settings(agent: AgentProcess) -> str:
    return f"""
model = "{LONG}"
model_provider = "samovar"
model_context_window = {LONG_CONTEXT}

[model_providers.samovar]
name = "Samovar"
base_url = "{agent.url}/v1"
wire_api = "responses"
stream_idle_timeout_ms = 3600000
"""


def test_codex_over_responses(program: Program, agent: AgentProcess) -> None:
    """As it comes: with its tools in namespaces, and the web search that it offers to everybody."""
    loaded = agent.cli("load", LONG, "--context", str(LONG_CONTEXT))
    assert loaded.returncode == 0, loaded.stderr
    codex = program_of("@openai/codex@0.169.0", "codex")
    program.write(".codex/config.toml", codex_settings(agent))
    told = lines(program.run(codex, "exec", "--skip-git-repo-check", "--json", PROMPT))
    kinds = [line["type"] for line in told]
    assert kinds[-1] == "turn.completed", told
    assert told[-1]["usage"]["output_tokens"] > 0, told  # type: ignore[index]


def test_opencode_over_chat_completions(program: Program, agent: AgentProcess) -> None:
    opencode = program_of("opencode-ai@1.18.33", "opencode")
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Samovar",
        "options": {"baseURL": f"{agent.url}/v1"},
        "models": {CHAT: {"name": "small", "limit": {"context": 4 * CONTEXT, "output": 32}}},
    }
    name = f"samovar/{CHAT}"
    settings = {"provider": {"samovar": provider}, "model": name, "small_model": name}
    program.write("work/opencode.json", json.dumps(settings))
    environ = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    told = lines(program.run(opencode, "run", "--format", "json", PROMPT, **environ))
    assert "error" not in [line["type"] for line in told], told
    finished = [line["part"] for line in told if line["type"] == "step_finish"]
    assert finished and finished[-1]["tokens"]["output"] > 0, told  # type: ignore[index]


def claude(program: Program, agent: AgentProcess, *arguments: str) -> str:
    environ = {
        "ANTHROPIC_BASE_URL": agent.url,
        "ANTHROPIC_AUTH_TOKEN": "none",
        "ANTHROPIC_MODEL": CHAT,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": CHAT,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "2048",
    }
    path = program_of("@anthropic-ai/claude-code@2.1.197", "claude")
    return program.run(path, "-p", PROMPT, "--output-format", "json", *arguments, **environ)


def test_claude_code_over_messages(program: Program, agent: AgentProcess) -> None:
    told = json.loads(claude(program, agent, "--system-prompt", "Be brief.", "--tools", "Read"))
    assert not told["is_error"] and told["usage"]["output_tokens"] > 0, told


def test_a_prompt_that_does_not_fit_is_told_as_what_it_is(program: Program, agent: AgentProcess) -> None:
    """Claude Code says by how much only where the server's error has the form that it reads."""
    with pytest.raises(AssertionError, match=rf"Prompt is too long .*limit {CONTEXT}"):
        claude(program, agent)
