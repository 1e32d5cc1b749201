"""Simon Willison's `llm`, with the settings that the documentation gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import CHAT, EMBEDDER
from tests.clients.installed import from_pypi
from tests.clients.program import Program
from tests.processes.agent import AgentProcess

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.model, pytest.mark.timeout(1800)]

SHORT = ("-o", "max_tokens", "8")


@pytest.fixture(scope="module")
def llm() -> Path:
    return from_pypi("llm==0.36", "llm-ollama==0.19.1") / "llm"


@pytest.fixture
def configured(program: Program, agent: AgentProcess) -> Program:
    extra = f"""
- model_id: samovar
  model_name: {CHAT}
  api_base: {agent.url}/v1
  supports_tools: true
  supports_schema: true
- model_id: samovar-text
  model_name: {CHAT}
  api_base: {agent.url}/v1
  completion: true
"""
    program.write("llm/extra-openai-models.yaml", extra)
    return program


def run(program: Program, llm: Path, *arguments: str, **environ: str) -> str:
    return program.run(llm, *arguments, LLM_USER_PATH=str(program.home / "llm"), **environ).strip()


def test_prompts_and_conversations(configured: Program, llm: Path) -> None:
    assert run(configured, llm, "-m", "samovar", "Say hello.", *SHORT)
    assert run(configured, llm, "-m", "samovar", "Say hello.", "--no-stream", *SHORT)
    assert run(configured, llm, "-c", "And again.", *SHORT)
    assert run(configured, llm, "-m", "samovar-text", "Once upon", *SHORT)


def test_schemas_and_tools(configured: Program, llm: Path) -> None:
    limited = ("-o", "max_tokens", "200", "-o", "temperature", "0")
    schema = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 9}}, "required": ["age"]}
    reply = run(configured, llm, "-m", "samovar", "Invent a dog.", "--schema", json.dumps(schema), *limited)
    assert json.loads(reply)["age"] <= 9
    tools = configured.write("clock.py", 'def clock(zone: str) -> str:\n    "What time it is."\n    return "noon"\n')
    run(configured, llm, "-m", "samovar", "Say hello.", "--functions", str(tools), *SHORT)


def test_the_way_over_ollamas_interface(program: Program, llm: Path, agent: AgentProcess) -> None:
    """The plugin asks what each model can do, and lists it where it belongs."""
    ollama = {"OLLAMA_HOST": agent.url}
    chat = found(run(program, llm, "models", **ollama), "SmolLM2")
    assert run(program, llm, "-m", chat, "Say hello.", "-o", "num_predict", "8", **ollama)
    embedder = found(run(program, llm, "embed-models", **ollama), EMBEDDER)
    assert len(json.loads(run(program, llm, "embed", "-m", embedder, "-c", "tea", **ollama))) == 384


def found(listed: str, part: str) -> str:
    """The name of the one of Ollama's models that has this in it, of lines like `Ollama: ollama/name:latest (…)`."""
    lines = [line for line in listed.splitlines() if "ollama/" in line and part.lower() in line.lower()]
    assert len(lines) == 1, listed
    return next(word for word in lines[0].split() if word.startswith("ollama/"))
