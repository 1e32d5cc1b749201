"""The official client is the judge."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pydantic
import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    JsonSchema,
    Progress,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.conftest import KEY, Agent

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
async def client(agent: Agent) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key="not-needed", max_retries=2) as client:
        yield client


async def test_a_whole_reply(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model=KEY, messages=HELLO, temperature=0, max_tokens=5, seed=1)
    assert reply.choices[0].message.content == "Hi there" and reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None and reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 8
    assert reply.model_extra is not None and reply.model_extra["samovar"]["decode_seconds"] == 0.5


async def test_a_reply_can_be_sent_back(agent: Agent, client: openai.AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model=KEY, messages=HELLO)
    await client.chat.completions.create(
        model=KEY,
        messages=[*HELLO, first.choices[0].message, *HELLO],  # type: ignore[list-item]  # as its own README does
    )
    assert [message.role for message in agent.instances.calls[-1][1]] == ["user", "assistant", "user"]


async def test_a_stream_with_loading_and_usage(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.items = [Progress(stage="loading", done=1, total=2), *agent.instances.items]
    stream = await client.chat.completions.create(
        model=KEY, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hi there"
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 15


class Clock(pydantic.BaseModel):
    """The SDK makes a strict tool, or a strict schema, of it."""

    zone: str


async def test_tools_and_their_answers(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.items = [
        Thinking(text="A clock?"),
        ToolCallBegan(index=0, id="call_1", name="Clock"),
        ToolCallArguments(index=0, json='{"zone":'),
        ToolCallArguments(index=0, json='"UTC"}'),
    ]
    agent.instances.finish_reasons = ["tool_calls"]
    tools = [openai.pydantic_function_tool(Clock)]
    async with client.chat.completions.stream(model=KEY, messages=HELLO, tools=tools, tool_choice="required") as stream:
        streamed = await stream.get_final_completion()
    whole = await client.chat.completions.parse(model=KEY, messages=HELLO, tools=tools)
    for reply in (streamed, whole):
        message = reply.choices[0].message
        assert message.tool_calls is not None
        assert message.tool_calls[0].function.parsed_arguments == Clock(zone="UTC")
        assert message.model_extra is not None and message.model_extra["reasoning_content"] == "A clock?"
    told: list[Any] = [*HELLO, whole.choices[0].message, {"role": "tool", "tool_call_id": "call_1", "content": "noon"}]
    await client.chat.completions.create(model=KEY, messages=told, tools=tools)
    messages, options = agent.instances.calls[-1][1], agent.instances.calls[-1][3]
    assert messages[1].tool_calls == [ToolCall(id="call_1", name="Clock", arguments='{"zone":"UTC"}')]
    assert (messages[1].reasoning, messages[2].tool_call_id) == ("A clock?", "call_1")
    assert options.tools[0].parameters["required"] == ["zone"]


async def test_a_reply_by_schema_and_logprobs(agent: Agent, client: openai.AsyncOpenAI) -> None:
    likely = TokenLogprob(text='{"zone":"UTC"}', data=b'{"zone":"UTC"}', logprob=-0.5)
    agent.instances.items = [Text(text='{"zone":"UTC"}', logprobs=[likely])]
    reply = await client.chat.completions.parse(model=KEY, messages=HELLO, response_format=Clock, logprobs=True)
    assert reply.choices[0].message.parsed == Clock(zone="UTC")
    assert reply.choices[0].logprobs is not None and reply.choices[0].logprobs.content is not None
    assert reply.choices[0].logprobs.content[0].logprob == -0.5
    async with client.chat.completions.stream(
        model=KEY, messages=HELLO, response_format=Clock, logprobs=True
    ) as stream:
        streamed = await stream.get_final_completion()
    assert streamed.choices[0].message.parsed == Clock(zone="UTC")
    assert isinstance(agent.instances.calls[-1][3].reply_format, JsonSchema)


async def test_embeddings_which_it_asks_for_in_base64(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.vectors = [[0.5, -1.0], [2.0, 0.25]]
    encodings: list[Any] = [openai.omit, "float"]
    for encoding in encodings:
        reply = await client.embeddings.create(model=KEY, input=["a", "b"], encoding_format=encoding)
        assert [entry.embedding for entry in reply.data] == [[0.5, -1.0], [2.0, 0.25]]
        assert reply.usage.total_tokens == 7


async def test_it_waits_and_tries_again_where_all_is_busy(
    agent: Agent, client: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        agent.instances.items = [Text(text="Hi")]

    monkeypatch.setattr("anyio.sleep", sleep)
    agent.instances.items = [SamovarError(FailureCode.BUSY, "64 requests wait already.")]
    reply = await client.chat.completions.create(model=KEY, messages=HELLO)
    assert reply.choices[0].message.content == "Hi"
    assert waits == [2.0]


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [KEY]
    assert (await client.models.retrieve(KEY)).owned_by == "HuggingFaceTB"


async def test_its_exceptions_have_our_codes(agent: Agent, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="nobody/knows", messages=HELLO)
    assert unknown.value.code == "model_unknown"
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(model=KEY, messages=HELLO, n=99)
    assert bad.value.param == "n"
    agent.settings.set("server.require_token", True)
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()


async def test_it_does_not_repeat_what_cannot_work(agent: Agent, client: openai.AsyncOpenAI) -> None:
    for code in (FailureCode.NOT_ENOUGH_MEMORY, FailureCode.DEADLINE_EXCEEDED):
        agent.instances.calls.clear()
        agent.instances.items = [SamovarError(code, "It did not work.")]
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model=KEY, messages=HELLO)
        assert len(agent.instances.calls) == 1


async def test_an_error_in_a_stream_is_raised(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    stream = await client.chat.completions.create(model=KEY, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="The worker died") as error:
        [chunk async for chunk in stream]
    assert error.value.code == "worker_crashed"


async def test_closing_a_stream_stops_the_work(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.endless = True
    stream = await client.chat.completions.create(model=KEY, messages=HELLO, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    async with asyncio.timeout(5):
        await agent.instances.closed.wait()


async def test_twenty_clients_at_once(agent: Agent, client: openai.AsyncOpenAI) -> None:
    replies = await asyncio.gather(*(client.chat.completions.create(model=KEY, messages=HELLO) for _ in range(20)))
    assert len({reply.id for reply in replies}) == 20


async def test_texts_that_go_on(agent: Agent, client: openai.AsyncOpenAI) -> None:
    likely = TokenLogprob(text="Hi", data=b"Hi", logprob=-0.5)
    agent.instances.items = [Text(text="Hi", logprobs=[likely]), Text(text=" you", choice=1)]
    whole = await client.completions.create(model=KEY, prompt=["a", "b"], n=2, best_of=2, logprobs=0, suffix="end")
    assert [(choice.index, choice.text, choice.finish_reason) for choice in whole.choices] == [
        (0, "Hi", "stop"),
        (1, " you", "stop"),
        (2, "Hi", "stop"),
        (3, " you", "stop"),
    ]
    logprobs = whole.choices[2].logprobs
    assert logprobs is not None and logprobs.token_logprobs == [-0.5] and logprobs.text_offset == [0]
    assert whole.usage is not None and whole.usage.prompt_tokens_details is not None
    assert whole.usage.prompt_tokens_details.cached_tokens == 16
    assert agent.instances.completed[-1]["suffix"] == "end"


async def test_a_stream_of_a_text_that_goes_on(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.items = [Progress(stage="loading", done=1, total=2), *agent.instances.items]
    stream = await client.completions.create(
        model=KEY, prompt="Once", echo=True, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "OnceHi there"
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 15
    with pytest.raises(openai.NotFoundError):
        await client.completions.create(model="nobody/knows", prompt="x")
    with pytest.raises(openai.BadRequestError) as refused:
        await client.completions.create(model=KEY, prompt="x", best_of=3)
    assert refused.value.param == "best_of"
