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
    ollama = {"OLLAMA_HOST": agent.url}
    shown = [line for line in run(program, llm, "ollama", "models", **ollama).splitlines() if "SmolLM2" in line]
    name = shown[0].split()[0]
    assert run(program, llm, "-m", name, "Say hello.", "-o", "num_predict", "8", **ollama)
    embedders = [line for line in run(program, llm, "embed-models", **ollama).splitlines() if EMBEDDER in line.lower()]
    name = embedders[0].removeprefix("OllamaEmbed: ").split()[0]
    assert len(json.loads(run(program, llm, "embed", "-m", name, "-c", "tea", **ollama))) == 384
