"""Responses of a real model in a real worker, by the official client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.models.gguf import read_header
from samovar_agent.models.library import Library
from tests.samovar_agent.engine.conftest import FakeLibrary
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

pytestmark = pytest.mark.model

MODEL = "maker/small"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}


@pytest.fixture
async def real(
    responses: ResponsesAgent, sdk: openai.AsyncOpenAI, small_model: Path, tmp_path: Path
) -> AsyncIterator[openai.AsyncOpenAI]:
    library = FakeLibrary()
    library.add(MODEL, small_model, read_header(small_model))
    services: Any = responses.agent.services
    instances = Instances(
        library=cast(Library, library),
        settings=services.settings,
        events=services.events,
        logs=tmp_path / "logs",
        patience=5.0,
    )
    services.library, services.instances = library, instances
    yield sdk
    await instances.close()


async def test_a_conversation_that_goes_on_where_it_was_kept(real: openai.AsyncOpenAI) -> None:
    first = await real.responses.create(
        model=MODEL, input="What is the capital of France?", temperature=0, max_output_tokens=12
    )
    assert first.output_text
    assert first.usage is not None and 0 < first.usage.output_tokens <= 12
    second = await real.responses.create(
        model=MODEL, input="Say more.", previous_response_id=first.id, temperature=0, max_output_tokens=5
    )
    assert second.status == "incomplete"
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.usage.input_tokens_details.cached_tokens > 10, "what was computed for the first"


async def test_streams_calls_formats_and_probabilities(real: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "What is the weather in Oslo?", "temperature": 0, "max_output_tokens": 100}
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
    async with real.responses.stream(**asked, tools=[tool], tool_choice="required") as stream:
        called = await stream.get_final_response()
    call = next(item for item in called.output if item.type == "function_call")
    assert call.name == "weather"
    assert isinstance(json.loads(call.arguments)["city"], str)
    text: Any = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
    formatted = await real.responses.create(**asked, text=text)
    assert isinstance(json.loads(formatted.output_text)["city"], str)
    likely = await real.responses.create(
        **{**asked, "max_output_tokens": 4}, include=["message.output_text.logprobs"], top_logprobs=2
    )
    (message,) = likely.output
    assert message.type == "message" and message.content[0].type == "output_text"
    logprobs = message.content[0].logprobs
    assert logprobs is not None
    assert [len(entry.top_logprobs) for entry in logprobs] == [2] * 4
    assert "".join(entry.token for entry in logprobs) == likely.output_text


async def test_schemas_that_nobody_can_follow(real: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "What is the weather in Oslo?", "max_output_tokens": 20}
    wrong: Any = {"type": "object", "properties": {"a": {"type": "nonsense"}}}
    bodies: list[Any] = [
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": wrong}}},
        {"tools": [{"type": "function", "name": "a", "parameters": wrong}], "tool_choice": "required"},
    ]
    for body in bodies:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError):
                await real.responses.create(**asked, **body, stream=stream)


async def test_an_answer_from_documents(responses: ResponsesAgent, real: openai.AsyncOpenAI) -> None:
    async with real.responses.stream(
        model=MODEL,
        input="What does a samovar boil?",
        tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}],
        max_output_tokens=40,
    ) as stream:
        kinds = [event.type async for event in stream]
    assert kinds[2:7] == [
        "response.output_item.added",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.output_item.done",
    ]
    assert "response.output_text.delta" in kinds
    assert kinds[-1] in ("response.completed", "response.incomplete")
    # What a model this small says is not worth checking; that it read the sources is.
    kept = await responses.store.read(lambda db: list(db.query("SELECT response FROM responses")))
    (response,) = [json.loads(row["response"]) for row in kept]
    assert response["samovar"]["documents"]["passages"] == 2
    assert response["usage"]["input_tokens"] > 200
