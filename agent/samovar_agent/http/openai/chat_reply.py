"""A whole reply of `POST /v1/chat/completions`, byte for byte as OpenAI's clients expect it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.openai.accounting import Speeds, Timings, Usage, speeds, timings, usage
from samovar_agent.http.openai.logprobs import Logprobs, logprobs_of
from samovar_protocol import values
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import FinishReason


class CalledFunction(msgspec.Struct, frozen=True, kw_only=True):
    """- arguments: a JSON object as text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that wants an answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ReplyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn. - content: null beside calls, where there is no text. - reasoning_content: what it thought."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the replies."""

    index: int
    message: ReplyMessage
    logprobs: Logprobs | None
    finish_reason: FinishReason


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply. - stats: LM Studio's, where they were asked for."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    samovar: Timings
    stats: Speeds | UnsetType = UNSET


def completion(reply: ChatReply, *, id: str, created: int, reasoning_tokens: int, stats: bool = False) -> bytes:
    """The whole reply."""
    replies: list[ChatReply | values.Choice] = [reply, *reply.alternatives]
    return msgspec.json.encode(
        Completion(
            id=id,
            created=created,
            model=reply.model,
            choices=[_choice(index, one) for index, one in enumerate(replies)],
            usage=usage(reply.stats, reasoning_tokens),
            samovar=timings(reply.stats),
            stats=speeds(reply.stats) if stats else UNSET,
        )
    )


def _choice(index: int, reply: ChatReply | values.Choice) -> Choice:
    calls = [
        ToolCall(id=call.id, function=CalledFunction(name=call.name, arguments=call.arguments))
        for call in reply.tool_calls
    ]
    return Choice(
        index=index,
        message=ReplyMessage(
            content=reply.text or (None if calls else ""),
            reasoning_content=reply.reasoning or UNSET,
            tool_calls=calls or UNSET,
        ),
        logprobs=logprobs_of(reply.logprobs),
        finish_reason=reply.finish_reason,
    )
