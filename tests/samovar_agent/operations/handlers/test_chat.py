"""`chat`: every kind of piece reaches the client, and every option the engine."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from samovar.requests import (
    AnyJson,
    Chat,
    ChatOptions,
    Grammar,
    JsonSchema,
    Message,
    NamedTool,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallArguments,
    ToolCallBegan,
)
from samovar_agent.operations.call import Call
from samovar_agent.operations.handlers.chat import handle
from samovar_protocol.values import AnyDelta, ReplyFormat, TokenLogprob
from tests.samovar_agent.control.conftest import Agent

if TYPE_CHECKING:
    from samovar_agent.services import Services

HELLO = [Message(role="user", content="Hello?")]


async def test_every_kind_of_piece(agent: Agent) -> None:
    agent.instances.words = 0
    likely = TokenLogprob(text="é", data=b"\xc3", logprob=-0.5, top=[TokenLogprob(text="e", data=b"e", logprob=-1.5)])
    deltas: list[AnyDelta] = [
        Thinking(text="Hm.", tokens=2),
        Text(text="é", choice=1, logprobs=[likely]),
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=0, json='{"zone":"UTC"}'),
    ]
    agent.instances.deltas = deltas
    async with agent.client() as client, client.stream(Chat(messages=HELLO)) as stream:
        assert [piece async for piece in stream] == deltas


async def test_every_option(agent: Agent) -> None:
    agent.instances.words = 1
    tool = Tool(name="clock", description="The time.", parameters={"type": "object"})
    told = [
        *HELLO,
        Message(
            role="assistant",
            content="",
            reasoning="Hm.",
            tool_calls=[ToolCall(id="call_1", name="clock", arguments="{}")],
        ),
        Message(role="tool", content="noon", tool_call_id="call_1", name="clock"),
    ]
    sampling = Sampling(logit_bias={5: -100.0}, dry_multiplier=0.8, stop_tokens=[2])
    formats: list[ReplyFormat] = [AnyJson(), JsonSchema(json_schema={"type": "string"}), Grammar(gbnf="root ::= [a-z]")]
    async with agent.client() as client:
        for reply_format in formats:
            options = ChatOptions(
                tools=[tool],
                tool_choice=NamedTool(name="clock"),
                parallel_tool_calls=False,
                reply_format=reply_format,
                thinking=True,
                template_arguments={"date": "today"},
                n=2,
                logprobs=True,
                top_logprobs=3,
                priority="background",
                deadline_seconds=5.0,
            )
            await client.call(Chat(model="m", messages=told, sampling=sampling, options=options))
            assert agent.instances.asked[-1] == ("m", told, sampling, options)


async def test_of_a_reply_that_is_stopped_what_was_said_is_kept(agent: Agent) -> None:
    agent.instances.words = None
    kept: list[tuple[Any, ...]] = []

    async def keep(*turn: Any, model: str | None) -> None:
        kept.append((*turn, model))

    async def get(_id: int) -> None:
        """It is there."""

    def send(piece: object) -> None:
        sent.append(piece)
        if len(sent) == 3:
            chatting.cancel()

    sent: list[object] = []
    conversations = SimpleNamespace(keep=keep, get=get)
    services = cast("Services", SimpleNamespace(instances=agent.instances, conversations=conversations))
    call = Call(services=services, send=send, cancel=lambda _: False, requester="test")
    chatting = asyncio.ensure_future(handle(call, Chat(messages=HELLO, model="m", conversation=5)))
    with pytest.raises(asyncio.CancelledError):
        await chatting
    assert agent.instances.closed.is_set()
    assert kept == [(5, HELLO[0], Message(role="assistant", content="word word word "), "m")]
