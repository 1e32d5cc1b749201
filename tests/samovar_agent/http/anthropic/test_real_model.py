"""Messages of a real model in a real worker, by the official client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import anthropic
import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.models.gguf import read_header
from samovar_agent.models.library import Library
from tests.samovar_agent.engine.conftest import FakeLibrary
from tests.samovar_agent.http.conftest import Agent

pytestmark = pytest.mark.model

MODEL = "maker/small"
ASKED: Any = {"model": MODEL, "max_tokens": 60, "extra_body": {"temperature": 0}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "description": "The weather of a city.", "input_schema": SCHEMA}


def user(text: str) -> Any:
    return {"role": "user", "content": text}


@pytest.fixture
async def real(agent: Agent, small_model: Path, tmp_path: Path) -> AsyncIterator[anthropic.AsyncAnthropic]:
    library = FakeLibrary()
    library.add(MODEL, small_model, read_header(small_model))
    services: Any = agent.services
    instances = Instances(
        library=cast(Library, library),
        settings=services.settings,
        events=services.events,
        logs=tmp_path / "logs",
        patience=5.0,
    )
    services.library, services.instances = library, instances
    async with anthropic.AsyncAnthropic(base_url=agent.url, api_key="not-needed", max_retries=0) as client:
        yield client
    await instances.close()


async def test_a_conversation(real: anthropic.AsyncAnthropic) -> None:
    messages = [user("What is the capital of France?")]
    system = "You answer questions about countries in a few words, and you say no more than was asked for."
    counted = await real.messages.count_tokens(model=MODEL, messages=messages, system=system)
    first = await real.messages.create(**ASKED, messages=messages, system=system)
    (block,) = first.content
    assert block.type == "text" and "Paris" in block.text
    assert first.usage.input_tokens + (first.usage.cache_read_input_tokens or 0) == counted.input_tokens
    messages += [{"role": "assistant", "content": first.content}, user("And of Norway?")]
    async with real.messages.stream(**{**ASKED, "max_tokens": 3}, messages=messages, system=system) as stream:
        (began,) = [event.message.usage async for event in stream if event.type == "message_start"]
        second = await stream.get_final_message()
    assert (second.stop_reason, second.usage.output_tokens) == ("max_tokens", 3)
    assert (second.usage.cache_read_input_tokens or 0) >= counted.input_tokens - 1, "what was computed for the first"
    assert began.cache_read_input_tokens == second.usage.cache_read_input_tokens
    assert began.input_tokens == second.usage.input_tokens > 0, "known from the first event on"


async def test_a_stop_sequence_ends_it_and_is_named(real: anthropic.AsyncAnthropic) -> None:
    asked = {**ASKED, "messages": [user("Count from one to ten in words.")]}
    (whole,) = (await real.messages.create(**asked)).content
    assert whole.type == "text"
    word = whole.text.split()[3]
    stopped = await real.messages.create(**asked, stop_sequences=["never written", word])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    (block,) = stopped.content
    assert block.type == "text" and block.text == whole.text[: whole.text.index(word)]


async def test_a_reply_goes_on_from_its_beginning(real: anthropic.AsyncAnthropic) -> None:
    messages = [user("What is the capital of France?"), {"role": "assistant", "content": "The capital of France is"}]
    reply = await real.messages.create(**{**ASKED, "max_tokens": 3}, messages=messages)
    (block,) = reply.content
    assert block.type == "text" and block.text.startswith(" Paris")


async def test_a_prompt_is_computed_beforehand(real: anthropic.AsyncAnthropic) -> None:
    messages = [user("What is the capital of France, and what else do you know about that city on the river Seine?")]
    warmed = await real.messages.create(**{**ASKED, "max_tokens": 0}, messages=messages)
    assert (warmed.content, warmed.stop_reason, warmed.usage.output_tokens) == ([], "max_tokens", 0)
    reply = await real.messages.create(**{**ASKED, "max_tokens": 1}, messages=messages)
    assert (reply.usage.cache_read_input_tokens or 0) > 10
    assert reply.usage.input_tokens <= 1


async def test_calls_and_formats(real: anthropic.AsyncAnthropic) -> None:
    messages = [user("What is the weather in Oslo?")]
    choice: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    async with real.messages.stream(**ASKED, messages=messages, tools=[WEATHER], tool_choice=choice) as stream:
        called = await stream.get_final_message()
    assert called.stop_reason == "tool_use"
    call = called.content[-1]
    assert call.type == "tool_use" and call.name == "weather"
    assert isinstance(call.input["city"], str)
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}]}
    answered = await real.messages.create(
        **ASKED, messages=[*messages, {"role": "assistant", "content": called.content}, result], tools=[WEATHER]
    )
    assert answered.usage.output_tokens > 0
    form: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    formatted = await real.messages.create(**ASKED, messages=messages, output_config=form)
    (block,) = formatted.content
    assert block.type == "text" and isinstance(json.loads(block.text)["city"], str)


async def test_what_the_engine_refuses(real: anthropic.AsyncAnthropic) -> None:
    tool: Any = {**WEATHER, "input_schema": {"type": "object", "properties": {"city": {"$ref": "#/nowhere"}}}}
    with pytest.raises(anthropic.BadRequestError, match="weather"):
        await real.messages.create(**ASKED, messages=[user("Hi")], tools=[tool])
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
        await real.messages.create(**ASKED, messages=[user("word " * 20_000)])
    with pytest.raises(anthropic.NotFoundError, match="claude-of-nobody=MODEL"):
        await real.messages.create(**{**ASKED, "model": "claude-of-nobody"}, messages=[user("Hi")])
