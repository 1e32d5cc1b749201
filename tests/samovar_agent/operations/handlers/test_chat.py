"""`chat`: every kind of piece reaches the client, and every option the engine."""

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
from samovar_protocol.values import AnyDelta, ReplyFormat, TokenLogprob
from tests.samovar_agent.control.conftest import Agent

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
