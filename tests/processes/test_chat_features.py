"""Tools, formats, probabilities, several choices and vectors, by the running agent with real models."""

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from samovar import SamovarError
from samovar.requests import Chat, ChatOptions, Embed, Grammar, Message, Sampling, Text
from samovar_protocol import FailureCode
from tests.processes.agent import AgentProcess
from tests.processes.conftest import import_minilm

pytestmark = [pytest.mark.processes, pytest.mark.model]

MODEL = "smollm2-135m"
ASK: list[Any] = [{"role": "user", "content": "What is the weather in Oslo?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}},
]


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=150)


@pytest.fixture
def loaded(stocked: AgentProcess) -> AgentProcess:
    """One for all: each test only asks it something."""
    return stocked


@pytest.fixture
def minilm(standing: AgentProcess) -> str:
    return import_minilm(standing)


@pytest.fixture
async def client(loaded: AgentProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{loaded.url}/v1", api_key="not needed", max_retries=0) as client:
        yield client


async def test_a_required_call_is_made_and_follows_its_schema(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(
        model=MODEL, messages=ASK, tools=TOOLS, tool_choice="required", temperature=0, max_tokens=200
    )
    choice = whole.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    for call in choice.message.tool_calls:
        assert call.type == "function"
        assert call.id
        arguments = json.loads(call.function.arguments)
        assert call.function.name == "clock" or isinstance(arguments["city"], str)

    names: dict[int, str] = {}
    pieces: dict[int, str] = {}
    reason = None
    stream = await client.chat.completions.create(
        model=MODEL, messages=ASK, tools=TOOLS, tool_choice="required", temperature=0, max_tokens=200, stream=True
    )
    async for chunk in stream:
        reason = chunk.choices[0].finish_reason or reason
        for part in chunk.choices[0].delta.tool_calls or ():
            assert part.function is not None
            if part.function.name:
                names[part.index] = part.function.name
            pieces[part.index] = pieces.get(part.index, "") + (part.function.arguments or "")
    assert reason == "tool_calls"
    calls = [call for call in choice.message.tool_calls if call.type == "function"]
    assert [(names[index], pieces[index]) for index in sorted(names)] == [
        (call.function.name, call.function.arguments) for call in calls
    ]


async def test_one_named_tool_and_no_second_call(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=200,
    )
    [call] = reply.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) >= {"city"}


async def test_a_conversation_goes_on_after_a_call(client: openai.AsyncOpenAI) -> None:
    called: Any = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    reply = await client.chat.completions.create(
        model=MODEL, messages=messages, tools=TOOLS, tool_choice="none", temperature=0, max_tokens=20
    )
    assert reply.choices[0].message.content
    assert not reply.choices[0].message.tool_calls


@pytest.mark.parametrize("temperature", [0.0, 1.5])
async def test_a_schema_is_followed_whatever_is_drawn(client: openai.AsyncOpenAI, temperature: float) -> None:
    reply = await client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Make up a person."}],
        response_format=Person,
        temperature=temperature,
        seed=7,
        max_tokens=200,
    )
    assert reply.choices[0].finish_reason == "stop"
    assert isinstance(reply.choices[0].message.parsed, Person)


async def test_any_json_object_and_a_grammar(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe Oslo in JSON with one short field."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=300,
    )
    text = reply.choices[0].message.content or ""
    if reply.choices[0].finish_reason == "stop":  # a small model may go on for ever, but never leave the grammar
        assert isinstance(json.loads(text), dict)
    assert text.lstrip().startswith("{")
    reply = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Is the sky blue?"}],
        extra_body={"grammar": 'root ::= "yes" | "no"'},
        temperature=0,
    )
    assert reply.choices[0].message.content in ("yes", "no")


@pytest.mark.parametrize(
    "body",
    [
        {"grammar": "root ::= ["},
        {"grammar": "root ::= nowhere"},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "wizard"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": False}}},
        {"logit_bias": {"999999999": 1}},
    ],
    ids=str,
)
async def test_what_cannot_be_followed_is_refused_and_costs_nothing(
    loaded: AgentProcess, client: openai.AsyncOpenAI, body: dict[str, Any]
) -> None:
    await client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=1)
    workers = loaded.workers()
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=8, extra_body=body)
    assert raised.value.code == FailureCode.BAD_REQUEST
    reply = await client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=1)
    assert reply.choices[0].message.content
    assert loaded.workers() == workers != [], "the worker lives on"


async def test_logprobs_are_of_the_tokens_that_the_text_is_made_of(client: openai.AsyncOpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "Say: café 🫖"}]
    whole = await client.chat.completions.create(
        model=MODEL, messages=question, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3
    )
    assert whole.choices[0].logprobs is not None
    tokens = whole.choices[0].logprobs.content or []
    data = b"".join(bytes(token.bytes or ()) for token in tokens)
    assert data.decode(errors="ignore").startswith((whole.choices[0].message.content or "")[:5])
    for token in tokens:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        likeliest = [other.logprob for other in token.top_logprobs]
        assert likeliest == sorted(likeliest, reverse=True)
        assert math.isclose(token.logprob, likeliest[0], abs_tol=1e-4), "greedy takes the likeliest"
        assert sum(math.exp(logprob) for logprob in likeliest) <= 1.001
    streamed = []
    stream = await client.chat.completions.create(
        model=MODEL, messages=question, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3, stream=True
    )
    async for chunk in stream:
        if chunk.choices[0].logprobs is not None:
            streamed += [token.token for token in chunk.choices[0].logprobs.content or ()]
    assert streamed == [token.token for token in tokens]


async def test_a_bias_changes_what_is_said(client: openai.AsyncOpenAI, loaded: AgentProcess) -> None:
    plain = await client.chat.completions.create(
        model=MODEL, messages=ASK, temperature=0, max_tokens=1, logprobs=True, top_logprobs=2
    )
    every = {str(token): -100 for token in range(17, 1000)}
    biased = await client.chat.completions.create(
        model=MODEL, messages=ASK, temperature=0, max_tokens=1, logit_bias=every, logprobs=True, top_logprobs=2
    )
    # The probabilities are the model's own, whatever was done to them before the draw.
    assert plain.choices[0].logprobs is not None and biased.choices[0].logprobs is not None
    before, after = (plain.choices[0].logprobs.content or [])[0], (biased.choices[0].logprobs.content or [])[0]
    assert [other.token for other in before.top_logprobs] == [other.token for other in after.top_logprobs]


async def test_two_choices_of_one_prompt(client: openai.AsyncOpenAI) -> None:
    greedy = await client.chat.completions.create(model=MODEL, messages=ASK, n=2, temperature=0, max_tokens=12)
    first, second = greedy.choices
    assert (first.index, second.index) == (0, 1)
    assert first.message.content == second.message.content
    drawn = await client.chat.completions.create(model=MODEL, messages=ASK, n=3, temperature=1.5, seed=3, max_tokens=24)
    assert len({choice.message.content for choice in drawn.choices}) > 1, "each choice draws for itself"
    assert drawn.usage is not None
    assert drawn.usage.completion_tokens > 24, "of all choices together"
    texts = ["", ""]
    reasons: list[str | None] = [None, None]
    stream = await client.chat.completions.create(
        model=MODEL, messages=ASK, n=2, temperature=0, max_tokens=12, stream=True
    )
    async for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert texts == [choice.message.content for choice in greedy.choices]
    assert reasons == [choice.finish_reason for choice in greedy.choices]


async def test_a_deadline_ends_a_reply(loaded: AgentProcess) -> None:
    chat = Chat(
        model=MODEL,
        messages=[Message(role="user", content="Count.")],
        sampling=Sampling(temperature=0, ignore_eos=True, max_tokens=6000),
        options=ChatOptions(deadline_seconds=0.5),
    )
    async with loaded.client() as client:
        await client.call(Chat(model=MODEL, messages=chat.messages, sampling=Sampling(max_tokens=1)))
        with pytest.raises(SamovarError) as raised:
            await client.call(chat)
        assert raised.value.code == FailureCode.DEADLINE_EXCEEDED
        # Its place is free again.
        await client.call(Chat(model=MODEL, messages=chat.messages, sampling=Sampling(max_tokens=1)))


async def test_the_control_socket_takes_the_same_options(loaded: AgentProcess) -> None:
    options = ChatOptions(reply_format=Grammar(gbnf='root ::= "tea" | "coffee"'), n=2, logprobs=True)
    chat = Chat(model=MODEL, messages=[Message(role="user", content="Tea or coffee?")], options=options)
    said = ["", ""]
    async with loaded.client() as client, client.stream(chat) as stream:
        async for piece in stream:
            if isinstance(piece, Text):
                assert piece.logprobs
                said[piece.choice] += piece.text
    assert said == [stream.reply.text, stream.reply.alternatives[0].text]
    assert set(said) <= {"tea", "coffee"}


def test_a_schema_on_the_command_line(loaded: AgentProcess, tmp_path: Path) -> None:
    schema = tmp_path / "city.json"
    schema.write_text(json.dumps(SCHEMA))
    run = loaded.cli("run", MODEL, "Name a city.", "--schema", str(schema), "--temperature", "0", "--stats", stdin="")
    assert run.returncode == 0, run.stderr
    assert isinstance(json.loads(run.stdout)["city"], str)
    assert "tokens/s" in run.stderr


async def test_vectors_tell_what_is_alike(minilm: str, standing: AgentProcess) -> None:
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell today."]
    async with openai.AsyncOpenAI(base_url=f"{standing.url}/v1", api_key="not needed", max_retries=0) as client:
        by_default = await client.embeddings.create(model=minilm, input=texts)  # the SDK asks for base64
        as_numbers = await client.embeddings.create(model=minilm, input=texts, encoding_format="float")
        cat, kitten, market = (entry.embedding for entry in by_default.data)
        for one, other in zip(by_default.data, as_numbers.data, strict=True):
            assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert len(cat) == 384
        assert math.isclose(_dot(cat, cat), 1, abs_tol=1e-3)
        assert _dot(cat, kitten) > 0.4 > 0.2 > _dot(cat, market)
        assert by_default.usage.prompt_tokens > 15
        short = (await client.embeddings.create(model=minilm, input=texts[0], dimensions=128)).data[0].embedding
        assert len(short) == 128
        assert math.isclose(_dot(short, short), 1, abs_tol=1e-3)
        with pytest.raises(openai.BadRequestError):
            await client.embeddings.create(model=minilm, input="x", dimensions=385)
        with pytest.raises(openai.UnprocessableEntityError) as raised:
            await client.chat.completions.create(model=minilm, messages=ASK)
        assert raised.value.code == FailureCode.MODEL_UNSUPPORTED
    async with standing.client() as control:
        reply = await control.call(Embed(model=minilm, inputs=[*texts]))
    assert reply.rows()[0] == pytest.approx(cat, abs=1e-3), "the same, in whatever company and by whichever way"


def test_vectors_on_the_command_line(minilm: str, standing: AgentProcess) -> None:
    run = standing.cli("embed", minilm, "-", stdin="one\ntwo\n")
    assert run.returncode == 0, run.stderr
    assert [len(json.loads(line)) for line in run.stdout.splitlines()] == [384, 384]


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
