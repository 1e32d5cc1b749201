"""What a chat request may say: honoured, harmless, or refused by name."""

from typing import Any

import pytest
from openai.types.chat import completion_create_params

from samovar_agent.http.openai.chat_request import _ASKS_FOR_NOTHING, ChatRequest
from samovar_protocol.values import ChatOptions, Message, Sampling
from tests.samovar_agent.http.conftest import Agent, Browser, chat_body


async def sampling_of(agent: Agent, browser: Browser, **body: Any) -> Sampling:
    answer = await browser.chat(**body)
    assert answer.status == 200, answer.body
    return agent.instances.calls[-1][2]


async def options_of(agent: Agent, browser: Browser, **body: Any) -> ChatOptions:
    answer = await browser.chat(**body)
    assert answer.status == 200, answer.body
    return agent.instances.calls[-1][3]


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
    assert agent.instances.calls[-1][3] == ChatOptions()
    empty = {"tools": [], "tool_choice": "auto", "logit_bias": {}, "logprobs": False, "top_logprobs": 0, "n": 1}
    assert await options_of(agent, browser, **empty, response_format={"type": "text"}) == ChatOptions()


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
        "repeat_last_n": -1,
        "dry_multiplier": 0.8,
        "dry_base": 1.5,
        "dry_allowed_length": 3,
        "dry_penalty_last_n": 512,
        "dry_sequence_breakers": [";"],
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
        ({"logit_bias": {"50256": -100, "0": 2.5}}, Sampling(logit_bias={50256: -100, 0: 2.5})),
        ({"stop_token_ids": [2, 7]}, Sampling(stop_tokens=[2, 7])),
        ({"seed": -1}, Sampling(seed=0xFFFFFFFE)),
        ({"seed": 2**63 - 1}, Sampling(seed=(2**63 - 1) % 0xFFFFFFFF)),
    ],
)
async def test_other_spellings(agent: Agent, browser: Browser, given: dict[str, Any], expected: Sampling) -> None:
    assert await sampling_of(agent, browser, **given) == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
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
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"n": True}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"logit_bias": {"the": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"1.5": 1}}, "logit_bias"),
        ({"logit_bias": {"١": 1}}, "logit_bias"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": {"5": "x"}}, "logit_bias"),
        ({"logit_bias": [[5, 1]]}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
        ({"stop_token_ids": ["x"]}, "stop_token_ids[0]"),
        ({"stop_token_ids": [1] * 65}, "stop_token_ids"),
        ({"repeat_last_n": -2}, "repeat_last_n"),
        ({"dry_base": 0.5}, "dry_base"),
        ({"dry_sequence_breakers": ["\n", ""]}, "dry_sequence_breakers[1]"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"enable_thinking": "yes"}}, "chat_template_kwargs.enable_thinking"),
    ],
)
async def test_wrong_fields_are_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    assert await refused(browser, **body) == param
    assert not agent.instances.calls


@pytest.mark.parametrize(
    "body",
    [
        {"functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"prediction": {"type": "content", "content": "x"}},
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
        assert agent.instances.calls[-1][3] == ChatOptions()


async def test_harmless_parameters_are_accepted(agent: Agent, browser: Browser) -> None:
    harmless = {"user": "me", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "prompt_cache_key": "x"}
    assert await sampling_of(agent, browser, **harmless, safety_identifier="x", cache_prompt=True) == Sampling()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n": 3}, ChatOptions(n=3)),
        ({"logprobs": True}, ChatOptions(logprobs=True)),
        ({"logprobs": True, "top_logprobs": 5}, ChatOptions(logprobs=True, top_logprobs=5)),
        ({"parallel_tool_calls": False}, ChatOptions(parallel_tool_calls=False)),
        ({"reasoning_effort": "none"}, ChatOptions(thinking=False)),
        (
            {"reasoning_effort": "low"},
            ChatOptions(thinking=True, template_arguments={"reasoning_effort": "low"}),
        ),
        ({"chat_template_kwargs": {"enable_thinking": True}}, ChatOptions(thinking=True)),
        ({"chat_template_kwargs": {"date": "today"}}, ChatOptions(template_arguments={"date": "today"})),
        (
            {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False, "reasoning_effort": "x"}},
            ChatOptions(thinking=False, template_arguments={"reasoning_effort": "x"}),
        ),
    ],
    ids=str,
)
async def test_options_are_passed_on(
    agent: Agent, browser: Browser, given: dict[str, Any], expected: ChatOptions
) -> None:
    assert await options_of(agent, browser, **given) == expected


async def test_the_old_names_of_tools_are_refused_with_the_new_ones(agent: Agent, browser: Browser) -> None:
    answer = await browser.chat(functions=[{"name": "f"}])
    assert answer.error["message"] == "'functions' is not supported. Use tools instead."
    answer = await browser.chat(function_call={"name": "f"})
    assert "tool_choice" in answer.error["message"]


async def test_10000_messages(agent: Agent, browser: Browser) -> None:
    assert len(await messages_of(agent, browser, *chat_body()["messages"] * 10_000)) == 10_000
