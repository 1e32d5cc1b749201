"""Vercel's AI SDK, which most JavaScript programs talk to models with: over OpenAI's and Anthropic's interfaces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import CHAT, EMBEDDER
from tests.clients.installed import from_npm
from tests.clients.program import Program
from tests.processes.agent import AgentProcess

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.model, pytest.mark.timeout(1800)]

PROVIDERS = ["compatible", "openai", "anthropic"]


@pytest.fixture(scope="module")
def folder() -> Path:
    return from_npm(
        *("ai@6.0.326", "@ai-sdk/openai-compatible@2.0.91", "@ai-sdk/openai@3.0.141", "@ai-sdk/anthropic@3.0.139"),
        "zod@4.6.7",
    )


@pytest.fixture
def ask(program: Program, agent: AgentProcess, folder: Path) -> Any:
    script = Path(shutil.copy(Path(__file__).with_name("vercel_ai.mjs"), folder))  # beside what it imports

    def ask(provider: str, step: str) -> Any:
        names = {"BASE": agent.url, "MODEL": CHAT, "EMBEDDER": EMBEDDER}
        return json.loads(program.run("node", script, provider, step, **names))

    return ask


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text(ask: Any, provider: str) -> None:
    for step in ("text", "stream"):
        reply = ask(provider, step)
        assert reply["text"] and reply["finishReason"] in ("stop", "length")
        assert reply["usage"]["inputTokens"] > 0 and 0 < reply["usage"]["outputTokens"] <= 16


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tools_are_called_and_their_results_read(ask: Any, provider: str) -> None:
    for step in ("tools", "streamedTools"):
        first, second = ask(provider, step)
        assert first["results"][0].startswith("noon in "), step
        assert second["text"] or second["results"], step


@pytest.mark.parametrize("provider", PROVIDERS)
def test_objects(ask: Any, provider: str) -> None:
    for step in ("object", "streamedObject"):
        dog = ask(provider, step)
        assert 0 <= dog["age"] <= 9 and len(dog["name"]) <= 10


def test_vectors_and_plain_texts(ask: Any) -> None:
    for provider in ("compatible", "openai"):
        assert ask(provider, "vectors") == [384, 384]
    assert ask("compatible", "completion")
    assert ask("openai", "completion")


def test_a_mistake_is_told_in_the_servers_words(ask: Any) -> None:
    for provider in PROVIDERS:
        told = ask(provider, "mistake")
        assert told["status"] == 404 and "nobody/nothing" in told["message"]
