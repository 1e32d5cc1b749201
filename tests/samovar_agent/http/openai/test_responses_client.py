"""The official client is the judge of responses, too."""

import asyncio
from typing import Any

import openai
import pydantic
import pytest
from openai.types.responses import FileSearchToolParam, ResponseInputParam

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import AnyDelta, JsonSchema, Text, Thinking, ToolCall, ToolCallArguments, ToolCallBegan
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

SEARCH: FileSearchToolParam = {"type": "file_search", "vector_store_ids": ["vs_1"]}


class Clock(pydantic.BaseModel):
    """The SDK makes a strict tool, or a strict schema, of it."""

    zone: str


async def test_a_response_and_what_became_of_it(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.create(model=KEY, input="Hello?", metadata={"a": "b"})
    assert response.output_text == "Hi there"
    assert response.status == "completed"
    assert response.usage is not None and response.usage.input_tokens_details.cached_tokens == 8
    assert response.model_extra is not None and response.model_extra["samovar"]["decode_seconds"] == 0.5
    assert await sdk.responses.retrieve(response.id) == response
    await sdk.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(response.id)


async def test_all_input_items_page_by_page(sdk: openai.AsyncOpenAI) -> None:
    inputs: Any = [{"role": "user", "content": [{"type": "input_text", "text": str(number)}]} for number in range(45)]
    response = await sdk.responses.create(model=KEY, input=inputs)
    seen: list[Any] = [item async for item in sdk.responses.input_items.list(response.id, order="asc")]
    assert [item.content[0].text for item in seen] == [str(number) for number in range(45)]


async def test_cancelling(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.create(model=KEY, input="Hello?")
    with pytest.raises(openai.BadRequestError, match="background"):
        await sdk.responses.cancel(response.id)


async def test_a_stream_put_together_by_the_client(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    responses.instances.items = [
        Thinking(text="A clock?"),
        Text(text="Let me look."),
        ToolCallBegan(index=0, id="call_1", name="Clock"),
        ToolCallArguments(index=0, json='{"zone":'),
        ToolCallArguments(index=0, json='"UTC"}'),
    ]
    tools: Any = [openai.pydantic_function_tool(Clock)]
    async with sdk.responses.stream(model=KEY, input="What time is it?", tools=tools) as stream:
        snapshots = [event.snapshot async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert snapshots == ["Let me look."]
    output: Any = final.output
    thought, message, call = output
    assert thought.type == "reasoning" and thought.content is not None and thought.content[0].text == "A clock?"
    assert message.type == "message"
    assert call.type == "function_call" and call.parsed_arguments == Clock(zone="UTC")


async def test_calls_and_their_outputs_by_both_ways(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    """The client keeps the conversation itself, or goes on from what is stored."""
    calling: list[AnyDelta] = [
        Thinking(text="A clock?"),
        ToolCallBegan(index=0, id="call_1", name="Clock"),
        ToolCallArguments(index=0, json='{"zone":"UTC"}'),
    ]
    tools: Any = [{"type": "function", "name": "Clock", "parameters": Clock.model_json_schema(), "strict": True}]
    responses.instances.items = [*calling]
    question: ResponseInputParam = [{"role": "user", "content": "What time is it?"}]
    first = await sdk.responses.create(model=KEY, input=question, tools=tools, tool_choice="required")
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "noon"}
    sent: Any = [*question, *first.output, output]
    responses.instances.items = [Text(text="Noon.")]
    whole = await sdk.responses.create(model=KEY, input=sent, tools=tools, store=False)
    going_on = await sdk.responses.create(model=KEY, input=[output], tools=tools, previous_response_id=first.id)
    assert whole.output_text == going_on.output_text == "Noon."
    (_, by_client, *_), (_, by_store, *_) = responses.instances.calls[-2:]
    assert by_client == by_store
    user, assistant, tool = by_client
    assert user.content == "What time is it?"
    assert assistant.tool_calls == [ToolCall(id="call_1", name="Clock", arguments='{"zone":"UTC"}')]
    assert assistant.reasoning == "A clock?"
    assert (tool.role, tool.content, tool.tool_call_id, tool.name) == ("tool", "noon", "call_1", "Clock")


async def test_a_reply_by_schema(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    responses.instances.items = [Text(text='{"zone":"UTC"}')]
    response = await sdk.responses.parse(model=KEY, input="Where?", text_format=Clock)
    assert response.output_parsed == Clock(zone="UTC")
    wanted = responses.instances.calls[-1][3].reply_format
    assert isinstance(wanted, JsonSchema) and wanted.json_schema is not True
    async with sdk.responses.stream(model=KEY, input="Where?", text_format=Clock) as stream:
        final = await stream.get_final_response()
    assert final.output_parsed == Clock(zone="UTC")


async def test_a_parsed_reply_can_be_sent_back(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    responses.instances.items = [Thinking(text="Hm."), Text(text='{"zone":"UTC"}')]
    reasonings: list[Any] = [openai.omit, {"summary": "auto"}]
    for reasoning in reasonings:
        first = await sdk.responses.parse(model=KEY, input="Where?", text_format=Clock, reasoning=reasoning)
        sent: Any = [{"role": "user", "content": "Where?"}, *first.output, {"role": "user", "content": "Sure?"}]
        await sdk.responses.create(model=KEY, input=sent)
        reply = responses.instances.calls[-1][1][1]
        assert (reply.content, reply.reasoning) == ('{"zone":"UTC"}', "Hm.")


async def test_a_search_and_its_citations(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    responses.instances.items = [Text(text="It boils water for tea [1].")]
    asked: Any = {"model": KEY, "input": "What does it do?", "tools": [SEARCH], "include": ["file_search_call.results"]}
    whole = await sdk.responses.create(**asked)
    async with sdk.responses.stream(**asked) as stream:
        streamed = await stream.get_final_response()
    outputs: list[Any] = [whole.output, streamed.output]
    for search, message in outputs:
        assert search.type == "file_search_call" and search.queries == ["What does it do?"]
        assert search.results is not None and search.results[0].filename == "tea.pdf"
        assert message.type == "message" and message.content[0].type == "output_text"
        (citation,) = message.content[0].annotations
        assert citation.type == "file_citation"
        assert (citation.file_id, citation.filename, citation.index) == ("doc-7", "tea.pdf", 23)
    sent: Any = [{"role": "user", "content": "One?"}, *whole.output, {"role": "user", "content": "Two?"}]
    assert (await sdk.responses.create(model=KEY, input=sent)).status == "completed"


async def test_a_failed_stream(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    responses.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    stream = await sdk.responses.create(model=KEY, input="Hello?", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.failed"
    assert last.response.error is not None and last.response.error.message == "The worker died."


async def test_its_exceptions_have_our_codes(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        await sdk.responses.create(model=KEY, input="Hello?", background=True)
    assert bad.value.param == "background"
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.responses.create(model=KEY, input="Hello?", previous_response_id="resp_x")
    assert unknown.value.param == "previous_response_id"


async def test_twenty_clients_at_once(responses: ResponsesAgent, sdk: openai.AsyncOpenAI) -> None:
    replies = await asyncio.gather(*(sdk.responses.create(model=KEY, input="Hello?") for _ in range(20)))
    assert len({reply.id for reply in replies}) == 20
    assert await responses.kept() == 20
