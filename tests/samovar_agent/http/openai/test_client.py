"""The official client is the judge."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress, Text
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


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [KEY]
    assert (await client.models.retrieve(KEY)).owned_by == "HuggingFaceTB"


async def test_its_exceptions_have_our_codes(agent: Agent, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="nobody/knows", messages=HELLO)
    assert unknown.value.code == "model_unknown"
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(model=KEY, messages=HELLO, n=2)
    assert bad.value.param == "n"
    agent.settings.set("server.require_token", True)
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()


async def test_it_does_not_repeat_what_cannot_work(agent: Agent, client: openai.AsyncOpenAI) -> None:
    agent.instances.items = [SamovarError(FailureCode.NOT_ENOUGH_MEMORY, "Too large.")]
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
