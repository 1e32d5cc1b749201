"""Requests that name no model, as plugins send them that were made for a server with one model."""

from typing import Any

import pytest

from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

HELLO = [{"role": "user", "content": "Hello?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Once"},
    "/v1/embeddings": {"input": "tea"},
    "/v1/rerank": {"query": "tea", "documents": ["tea", "coffee"]},
    "/v1/responses": {"input": "Hello?"},
    "/v1/responses/input_tokens": {"input": "Hello?"},
    "/api/v0/chat/completions": {"messages": HELLO},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
    "/tokenize": {"content": "tea"},
    "/detokenize": {"tokens": [116]},
    "/apply-template": {"messages": HELLO},
}


ANSWERED = [path for path in BODIES if not path.startswith("/api/v0")]
"""LM Studio's replies need more of the engine than the fake has."""


@pytest.mark.parametrize("path", ANSWERED)
@pytest.mark.parametrize("more", [{}, {"model": None}])
async def test_the_only_model_answers(responses: ResponsesAgent, path: str, more: dict[str, Any]) -> None:
    answer = await responses.browser.ask("POST", path, json={**BODIES[path], **more})
    assert answer.status == 200, answer.body
    instances = responses.instances
    [asked] = [*(call[0] for call in instances.calls), *(one["model"] for one in instances.completed)] or [
        call[0] for call in instances.others
    ]
    assert asked == KEY


@pytest.mark.parametrize("path", BODIES)
async def test_one_of_several_must_be_named(responses: ResponsesAgent, path: str) -> None:
    responses.instances.only = ["a/coder", "b/writer"]
    answer = await responses.browser.ask("POST", path, json=BODIES[path])
    error = answer.json()["error"]
    assert (answer.status, error["param"]) == (400, "model")
    assert error["message"] == "'model' is missing, and there are several: a/coder, b/writer. Name the one you mean."


@pytest.mark.parametrize("path", BODIES)
async def test_where_there_is_none_it_says_how_to_get_one(responses: ResponsesAgent, path: str) -> None:
    responses.instances.only = []
    answer = await responses.browser.ask("POST", path, json=BODIES[path])
    assert (answer.status, answer.json()["error"]["message"][-8:]) == (404, "Get one.")


async def test_streams_tell_which_one_answers(responses: ResponsesAgent) -> None:
    for path in ("/v1/chat/completions", "/v1/completions"):
        answer = await responses.browser.ask("POST", path, json={**BODIES[path], "stream": True})
        assert f'"model":"{KEY}"'.encode() in answer.body


async def test_what_llama_vscode_asks_for_an_edit(responses: ResponsesAgent) -> None:
    body = {
        "messages": [
            {"role": "system", "content": "You are an expert coder."},
            {"role": "user", "content": "Mend it."},
        ],
        "stream": False,
        "cache_prompt": True,
        "samplers": "edkypmxt",
        "temperature": 0.8,
        "dynatemp_range": 0,
        "dynatemp_exponent": 1,
        "top_k": 40,
        "top_p": 0.95,
        "min_p": 0.05,
        "typical_p": 1,
        "xtc_probability": 0,
        "xtc_threshold": 0.1,
        "repeat_last_n": 64,
        "repeat_penalty": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "dry_multiplier": 0,
        "dry_base": 1.75,
        "dry_allowed_length": 2,
        "dry_penalty_last_n": -1,
        "max_tokens": -1,
        "timings_per_token": False,
    }
    answer = await responses.browser.ask("POST", "/v1/chat/completions", json=body)
    assert answer.status == 200, answer.body
    assert answer.json()["choices"][0]["message"]["content"] == "Hi there"
