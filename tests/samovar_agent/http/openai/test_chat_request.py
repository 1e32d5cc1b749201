"""What a chat request may say: honoured, harmless, or refused by name."""

from typing import Any

import pytest
from openai.types.chat import completion_create_params

from samovar_agent.http.openai.chat_request import _ASKS_FOR_NOTHING, ChatRequest
from samovar_protocol.values import Message, Sampling
from tests.samovar_agent.http.conftest import Agent, Browser, chat_body


async def sampling_of(agent: Agent, browser: Browser, **body: Any) -> Sampling:
    answer = await browser.chat(**body)
    assert answer.status == 200, answer.body
    return agent.instances.calls[-1][2]


async def messages_of(agent: Agent, browser: Browser, *messages: dict[str, Any]) -> list[Message]:
    answer = await browser.chat(messages=list(messages))
    assert answer.status == 200, answer.body
    return list(agent.instances.calls[-1][1])


async def refused(browser: Browser, **body: Any) -> str | None:
    answer = await browser.chat(**body)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    param: str | None = answer.error["param"]
    assert param is None or param in answer.error["message"] or "not supported" in answer.error["message"]
    return param


def test_every_documented_parameter_is_known() -> None:
    documented = set(completion_create_params.CompletionCreateParamsNonStreaming.__annotations__)
    documented |= set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert documented >= {"model", "messages", "tools", "logprobs"}, "the SDK keeps them elsewhere now"
    assert documented <= set(ChatRequest.__struct_fields__)


async def test_defaults(agent: Agent, browser: Browser) -> None:
    assert await sampling_of(agent, browser) == Sampling()
    nothing = dict.fromkeys(set(ChatRequest.__struct_fields__) - {"model", "messages"})
    assert await sampling_of(agent, browser, **nothing) == Sampling()


async def test_sampling_is_passed_on(agent: Agent, browser: Browser) -> None:
    values: dict[str, Any] = {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 7,
        "min_p": 0.1,
        "typical_p": 0.9,
        "presence_penalty": -1,
        "frequency_penalty": 1.5,
        "repeat_penalty": 1.1,
        "seed": 42,
        "stop": ["a", "b"],
        "max_tokens": 9,
        "ignore_eos": True,
    }
    assert await sampling_of(agent, browser, **values) == Sampling(**values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stop": "END"}, Sampling(stop=["END"])),
        ({"max_completion_tokens": 5, "max_tokens": 9}, Sampling(max_tokens=5)),
        ({"max_tokens": -1}, Sampling()),
        ({"top_k": -1}, Sampling(top_k=0)),
        ({"repetition_penalty": 1.2}, Sampling(repeat_penalty=1.2)),
        ({"seed": -1}, Sampling(seed=0xFFFFFFFE)),
        ({"seed": 2**63 - 1}, Sampling(seed=(2**63 - 1) % 0xFFFFFFFF)),
    ],
)
async def test_other_spellings(agent: Agent, browser: Browser, given: dict[str, Any], expected: Sampling) -> None:
    assert await sampling_of(agent, browser, **given) == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "system", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, "messages[0].mood"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "user", "content": "x"}] * 20_001}, "messages"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -2}, "max_completion_tokens"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"stop": 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"stream_options": {"include_all": True}}, "stream_options.include_all"),
        ({"seed": 1.5}, "seed"),
        ({"temprature": 1}, "temprature"),
    ],
)
async def test_wrong_fields_are_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    assert await refused(browser, **body) == param
    assert not agent.instances.calls


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"n": True},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "required"},
        {"functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"top_logprobs": 5},
        {"logit_bias": {"50256": -100}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"reasoning_effort": "high"},
        {"verbosity": "low"},
        {"web_search_options": {}},
        {"moderation": {"model": "x"}},
    ],
    ids=lambda body: next(iter(body)),
)
async def test_what_is_not_supported_is_refused_by_name(agent: Agent, browser: Browser, body: dict[str, Any]) -> None:
    assert await refused(browser, **body) == next(iter(body))
    assert await refused(browser, **body, stream=True) == next(iter(body))


@pytest.mark.parametrize("name", sorted(_ASKS_FOR_NOTHING))
async def test_values_that_ask_for_nothing_are_fine(agent: Agent, browser: Browser, name: str) -> None:
    for value in (None, *_ASKS_FOR_NOTHING[name]):
        assert await sampling_of(agent, browser, **{name: value}) == Sampling()


async def test_harmless_parameters_are_accepted(agent: Agent, browser: Browser) -> None:
    harmless = {"user": "me", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "prompt_cache_key": "x"}
    assert await sampling_of(agent, browser, **harmless, safety_identifier="x", cache_prompt=True) == Sampling()


async def test_roles_and_contents(agent: Agent, browser: Browser) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]
    messages = await messages_of(
        agent,
        browser,
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": parts},
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [], "annotations": []},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        {"role": "user", "content": ""},
    )
    assert messages == [
        Message(role="system", content="Be brief."),
        Message(role="user", content="one\ntwo"),
        Message(role="assistant", content=""),
        Message(role="tool", content="42"),
        Message(role="user", content=""),
    ]


async def test_images_are_refused_with_the_reason(agent: Agent, browser: Browser) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = await browser.chat(messages=[{"role": "user", "content": [image]}])
    assert answer.status == 400 and answer.error["param"] == "messages[0].content[0]"
    assert "no vision" in answer.error["message"].lower()
    assert await refused(browser, messages=[{"role": "user", "content": [{"type": "input_audio"}]}])


async def test_10000_messages(agent: Agent, browser: Browser) -> None:
    assert len(await messages_of(agent, browser, *chat_body()["messages"] * 10_000)) == 10_000
