"""The official client against the real server."""

import asyncio
from typing import Any

import anthropic
import pydantic
import pytest
from anthropic.types import MessageParam, ToolParam

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    AnyDelta,
    JsonSchema,
    Progress,
    Text,
    Thinking,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.anthropic.conftest import Asking
from tests.samovar_agent.http.conftest import KEY

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello?"}]
CLOCK: ToolParam = {"name": "clock", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}
CALLS: list[AnyDelta] = [
    Thinking(text="A clock", tokens=2),
    Thinking(text="?"),
    Text(text="Let me see."),
    ToolCallBegan(index=0, id="call_1", name="clock"),
    ToolCallArguments(index=0, json='{"zone":'),
    ToolCallArguments(index=0, json='"UTC"}'),
    ToolCallBegan(index=1, id="call_2", name="clock"),
    ToolCallArguments(index=1, json="{}"),
]


async def test_a_whole_reply(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asking.instances.stop_text = "END"
    reply = await sdk.messages.create(
        model=KEY, max_tokens=16, system="Be brief.", messages=HELLO, stop_sequences=["END"], metadata={"user_id": "me"}
    )
    (block,) = reply.content
    assert block.type == "text" and block.text == "Hi there"
    assert (reply.stop_reason, reply.stop_sequence, reply.model) == ("stop_sequence", "END", KEY)
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens, reply.usage.output_tokens) == (4, 8, 3)
    assert reply._request_id == "http-1"
    assert [message.content for message in asking.instances.calls[0][1]] == ["Be brief.", "Hello?"]


async def test_a_stream(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asking.instances.items = [Progress(stage="loading"), Text(text="Hi"), Text(text=" there")]
    async with sdk.messages.stream(model=KEY, max_tokens=16, messages=HELLO) as stream:
        assert [text async for text in stream.text_stream] == ["Hi", " there"]
        final = await stream.get_final_message()
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 4, 3)
    raw = await sdk.messages.create(model=KEY, max_tokens=16, messages=HELLO, stream=True)
    types = [event.type async for event in raw]
    assert (types[0], types[-1]) == ("message_start", "message_stop")


async def test_tools_and_thinking_there_and_back(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asking.instances.items, asking.instances.finish_reasons = [*CALLS], ["tool_calls"]
    asked: Any = {"model": KEY, "max_tokens": 2000, "tools": [CLOCK]}
    asked |= {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tool_choice": {"type": "auto"}}
    whole = await sdk.messages.create(**asked, messages=HELLO)
    async with sdk.messages.stream(**asked, messages=HELLO) as stream:
        final = await stream.get_final_message()
    replies: list[Any] = [whole, final]
    for reply in replies:
        assert reply.stop_reason == "tool_use"
        thinking, text, one, two = reply.content
        assert thinking.type == "thinking" and (thinking.thinking, thinking.signature) == ("A clock?", "samovar")
        assert text.type == "text" and text.text == "Let me see."
        assert one.type == "tool_use" and (one.id, one.name, one.input) == ("call_1", "clock", {"zone": "UTC"})
        assert two.type == "tool_use" and two.input == {}
        assert reply.usage.output_tokens_details is not None
        assert reply.usage.output_tokens_details.thinking_tokens == 3
        results: Any = [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "12:30"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "No zone.", "is_error": True},
        ]
        answer: Any = [{"role": "assistant", "content": reply.content}, {"role": "user", "content": results}]
        await sdk.messages.create(**asked, messages=[*HELLO, *answer])
        messages = asking.instances.calls[-1][1]
        assert [message.role for message in messages] == ["user", "assistant", "tool", "tool"]
        assert (messages[1].content, messages[1].reasoning) == ("Let me see.", "A clock?")
        assert [call.arguments for call in messages[1].tool_calls] == ['{"zone":"UTC"}', "{}"]
        assert messages[3].content == "Error: No zone."


class City(pydantic.BaseModel):
    city: str


async def test_structured_output(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asking.instances.items = [Text(text='{"city":'), Text(text='"Oslo"}')]
    reply = await sdk.messages.parse(model=KEY, max_tokens=16, messages=HELLO, output_format=City)
    assert reply.parsed_output == City(city="Oslo")
    wanted = asking.instances.calls[-1][3].reply_format
    assert isinstance(wanted, JsonSchema) and isinstance(wanted.json_schema, dict)
    assert set(wanted.json_schema["properties"]) == {"city"}


async def test_betas_and_the_runner_of_tools(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asked = []

    @anthropic.beta_async_tool
    async def clock(zone: str) -> str:
        """The time.

        Args:
            zone: where
        """
        asked.append(zone)
        asking.instances.items, asking.instances.finish_reasons = [Text(text="Half past.")], ["stop"]
        return "12:30"

    asking.instances.items, asking.instances.finish_reasons = [*CALLS[:-2]], ["tool_calls"]
    runner = sdk.beta.messages.tool_runner(
        model=KEY, max_tokens=16, messages=[{"role": "user", "content": "Time?"}], tools=[clock], betas=["some-beta"]
    )
    final = await runner.until_done()
    assert asked == ["UTC"]
    block = final.content[0]
    assert block.type == "text" and block.text == "Half past."
    assert asking.instances.calls[-1][1][-1].content == "12:30"


async def test_the_length_of_a_prompt(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    counted = await sdk.messages.count_tokens(model=KEY, messages=HELLO, tools=[CLOCK], system="Be brief.")
    assert counted.input_tokens == len("Be brief.Hello?")
    beta = await sdk.beta.messages.count_tokens(model=KEY, messages=[{"role": "user", "content": "Hello?"}])
    assert beta.input_tokens == 6


async def test_models(sdk: anthropic.AsyncAnthropic) -> None:
    assert [model.id async for model in sdk.models.list()] == [KEY]
    one = await sdk.models.retrieve(KEY)
    assert (one.display_name, one.created_at.year, one.type) == ("SmolLM2-135M-Instruct", 2023, "model")


async def test_its_exceptions(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="nobody/knows=MODEL") as unknown:
        await sdk.messages.create(model="nobody/knows", max_tokens=16, messages=HELLO)
    assert unknown.value.request_id == "http-1"
    with pytest.raises(anthropic.BadRequestError, match="top_p"):
        await sdk.messages.create(model=KEY, max_tokens=16, messages=HELLO, extra_body={"top_p": 7})
    asking.instances.items = [SamovarError(FailureCode.BUSY, "64 requests wait already.")]
    with pytest.raises(anthropic.RateLimitError):
        await sdk.messages.create(model=KEY, max_tokens=16, messages=HELLO)
    asking.agent.settings.set("server.require_token", True)
    with pytest.raises(anthropic.AuthenticationError):
        await sdk.messages.create(model=KEY, max_tokens=16, messages=HELLO)


async def test_it_does_not_repeat_what_cannot_work(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    for code in (FailureCode.NOT_ENOUGH_MEMORY, FailureCode.DEADLINE_EXCEEDED):
        asking.instances.calls.clear()
        asking.instances.items = [SamovarError(code, "It did not work.")]
        with pytest.raises(anthropic.APIStatusError):
            await sdk.with_options(max_retries=3).messages.create(model=KEY, max_tokens=16, messages=HELLO)
        assert len(asking.instances.calls) == 1


async def test_an_error_in_a_stream_is_raised(asking: Asking, sdk: anthropic.AsyncAnthropic) -> None:
    asking.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    texts = []
    with pytest.raises(anthropic.APIStatusError, match="The worker died"):
        async with sdk.messages.stream(model=KEY, max_tokens=16, messages=HELLO) as stream:
            texts += [text async for text in stream.text_stream]
    assert asking.instances.said == 1


async def test_twenty_clients_at_once(sdk: anthropic.AsyncAnthropic) -> None:
    replies = await asyncio.gather(*(sdk.messages.create(model=KEY, max_tokens=16, messages=HELLO) for _ in range(20)))
    assert len({reply.id for reply in replies}) == 20
