"""What is accepted and changes nothing is told in a header, the same way by every endpoint."""

from typing import Any

import openai
import pytest

from samovar_agent.http.openai.without_effect import HEADER
from tests.samovar_agent.http.conftest import KEY, model
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

FORMAT = {"name": "x", "schema": {"type": "object"}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": KEY, "messages": [{"role": "user", "content": "Hello?"}]},
    "/v1/completions": {"model": KEY, "prompt": "Once"},
    "/v1/embeddings": {"model": KEY, "input": "x"},
    "/v1/rerank": {"model": KEY, "query": "x", "documents": ["a", "b"]},
    "/v1/responses": {"model": KEY, "input": "Hello?"},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
}
STREAMS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/infill")
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
OPENAI = tuple(path for path in BODIES if path.startswith("/v1"))
SAMPLED = ("/v1/chat/completions", "/v1/completions", "/infill")

# Endpoints, what is sent, and what of it is told.
TOLD: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (OPENAI, {"user": "me"}, "user"),
    ((CHAT, RESPONSES), {"service_tier": "flex"}, "service_tier"),
    ((CHAT, RESPONSES), {"safety_identifier": "me"}, "safety_identifier"),
    ((CHAT, RESPONSES), {"prompt_cache_key": "k"}, "prompt_cache_key"),
    ((CHAT, RESPONSES), {"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
    ((CHAT, RESPONSES), {"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
    ((CHAT,), {"store": True}, "store"),
    ((CHAT,), {"metadata": {"a": "b"}}, "metadata"),
    ((CHAT,), {"user": "me", "metadata": {"a": "b"}, "store": True, "stop": ["x"]}, "metadata, store, user"),
    (
        (CHAT, "/v1/completions"),
        {"response_format": {"type": "json_schema", "json_schema": {**FORMAT, "description": "Says it."}}},
        "response_format.json_schema.description",
    ),
    ((RESPONSES,), {"client_metadata": {"session": "of Codex"}}, "client_metadata"),
    ((RESPONSES,), {"include": ["reasoning.encrypted_content"]}, "include"),
    (
        (RESPONSES,),
        {"text": {"format": {"type": "json_schema", **FORMAT, "description": "Says it."}}},
        "text.format.description",
    ),
    (SAMPLED, {"cache_prompt": False, "id_slot": 2, "n_cache_reuse": 256}, "cache_prompt, id_slot, n_cache_reuse"),
    (("/infill",), {"t_max_prompt_ms": 500}, "t_max_prompt_ms"),
    ((CHAT,), {"reasoning_effort": "high"}, "reasoning_effort"),  # of a model that does not think
    ((CHAT,), {"max_tokens": 9, "max_completion_tokens": 3}, "max_tokens"),
    (
        (RESPONSES,),
        {"reasoning": {"effort": "low", "summary": "auto", "generate_summary": "detailed"}},
        "reasoning.effort, reasoning.generate_summary, reasoning.summary",
    ),
]
NOT_TOLD: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (tuple(BODIES), {}),
    (OPENAI, {"user": None}),
    ((CHAT,), {"store": False, "metadata": {}, "service_tier": "auto", "prompt_cache_retention": "in_memory"}),
    ((CHAT, RESPONSES), {"service_tier": "default", "prompt_cache_options": {"mode": "implicit"}}),
    ((CHAT, RESPONSES), {"prompt_cache_options": {}}),
    ((RESPONSES,), {"store": True, "metadata": {"a": "b"}}),  # both are kept
    (SAMPLED, {"cache_prompt": True, "id_slot": -1, "n_cache_reuse": 0}),
    ((CHAT,), {"reasoning_effort": "none"}),
    ((CHAT,), {"max_tokens": 3, "max_completion_tokens": 3}),
    ((RESPONSES,), {"reasoning": {"effort": "none"}}),
]
OF_THOUGHT: dict[str, dict[str, Any]] = {
    CHAT: {"reasoning_effort": "high"},
    RESPONSES: {"reasoning": {"effort": "high", "summary": "auto"}},
}
WRONG: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (OPENAI, {"user": 5}, "user"),
    ((CHAT, RESPONSES), {"store": "yes"}, "store"),
    ((CHAT, RESPONSES), {"metadata": {"a": 1}}, "metadata"),
    ((CHAT, RESPONSES), {"metadata": {"a": "x" * 513}}, "metadata"),
    ((CHAT, RESPONSES), {"service_tier": "best"}, "service_tier"),
    ((CHAT, RESPONSES), {"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
    (
        (CHAT, RESPONSES),
        {"prompt_cache_options": {"comparison_response_id": "resp_1"}},
        "prompt_cache_options.comparison_response_id",
    ),
    (SAMPLED, {"id_slot": "first"}, "id_slot"),
]


@pytest.fixture(autouse=True)
def two_documents(responses: ResponsesAgent) -> None:
    responses.instances.scores = [0.1, 0.2]


@pytest.mark.parametrize(("paths", "sent", "told"), TOLD, ids=lambda value: None)
async def test_what_has_no_effect_is_named(
    responses: ResponsesAgent, paths: tuple[str, ...], sent: dict[str, Any], told: str
) -> None:
    for path in paths:
        for stream in (False, True) if path in STREAMS else (None,):
            body = {**BODIES[path], **sent, **({} if stream is None else {"stream": stream})}
            answer = await responses.browser.ask("POST", path, json=body)
            assert (answer.status, answer.headers.get(HEADER)) == (200, told), (path, answer.body)


@pytest.mark.parametrize(("paths", "sent"), NOT_TOLD, ids=lambda value: None)
async def test_what_asks_for_nothing_is_not(
    responses: ResponsesAgent, paths: tuple[str, ...], sent: dict[str, Any]
) -> None:
    for path in paths:
        answer = await responses.browser.ask("POST", path, json={**BODIES[path], **sent})
        assert (answer.status, answer.headers.get(HEADER)) == (200, None), (path, answer.body)


@pytest.mark.parametrize("path", OF_THOUGHT)
async def test_a_model_that_thinks_is_not_asked_in_vain(responses: ResponsesAgent, path: str) -> None:
    responses.agent.library.models = [model(KEY, capabilities=["chat", "thinking"])]
    answer = await responses.browser.ask("POST", path, json={**BODIES[path], **OF_THOUGHT[path]})
    assert (answer.status, answer.headers.get(HEADER)) == (200, None)


@pytest.mark.parametrize(("paths", "sent", "param"), WRONG, ids=lambda value: None)
async def test_it_has_its_type_all_the_same(
    responses: ResponsesAgent, paths: tuple[str, ...], sent: dict[str, Any], param: str
) -> None:
    for path in paths:
        answer = await responses.browser.ask("POST", path, json={**BODIES[path], **sent})
        error = answer.json()["error"]
        assert (answer.status, error["param"]) == (400, param), (path, answer.body)


async def test_the_official_client_can_read_it(sdk: openai.AsyncOpenAI) -> None:
    raw = await sdk.chat.completions.with_raw_response.create(
        model=KEY, messages=[{"role": "user", "content": "Hello?"}], user="me", store=True
    )
    assert raw.headers[HEADER] == "store, user"
    assert raw.parse().choices[0].message.content == "Hi there"
