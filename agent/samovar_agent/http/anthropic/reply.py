"""A whole reply of `POST /v1/messages`, and what it has in common with a stream."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.anthropic.signature import SIGNATURE, holding
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Stats, ToolCall

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"]


class OutputTokensDetails(msgspec.Struct, frozen=True):
    """- thinking_tokens: how much of the reply was thinking."""

    thinking_tokens: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts. - input_tokens: without those that were not computed again, `cache_read_input_tokens`.

    - cache_creation_input_tokens: none that anybody would be billed for.
    """

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    service_tier: Literal["standard"] = "standard"


class ThinkingContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    """What the model thought."""

    thinking: str
    signature: str


class TextContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """What it says."""

    text: str


class ToolUseContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    """What it calls."""

    id: str
    name: str
    input: dict[str, Any]


class CacheMiss(msgspec.Struct, frozen=True):
    """Why a prompt was computed again; nobody here knows what the one before was."""

    type: Literal["unavailable"] = "unavailable"


class Diagnosis(msgspec.Struct, frozen=True):
    """The answer to `diagnostics`."""

    cache_miss_reason: CacheMiss = CacheMiss()


class MessageHead(msgspec.Struct, frozen=True, kw_only=True):
    """A reply without what it says: as a stream begins, where nothing of the end is known."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ThinkingContent | TextContent | ToolUseContent] = []
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: Usage
    diagnostics: Diagnosis | UnsetType = UNSET


def usage(stats: Stats, thinking_tokens: int) -> Usage:
    """The counts of one request."""
    return Usage(
        input_tokens=stats.prompt_tokens - stats.cached_tokens,
        cache_read_input_tokens=stats.cached_tokens,
        output_tokens=stats.completion_tokens,
        output_tokens_details=OutputTokensDetails(thinking_tokens),
    )


def stop_reason(reply: ChatReply, max_tokens: int) -> StopReason:
    """Why the reply ended. - max_tokens: the request's; what ends before it, for its length, filled the context."""
    match reply.finish_reason:
        case "tool_calls":
            return "tool_use"
        case "length":
            full = reply.stats.completion_tokens < max_tokens
            return "model_context_window_exceeded" if full else "max_tokens"
        case "stop":
            return "end_turn" if reply.stop_text is None else "stop_sequence"


def stop_sequence(reply: ChatReply) -> str | None:
    """The stop text, where that is why the reply ended."""
    return reply.stop_text if reply.finish_reason == "stop" else None


def message(
    reply: ChatReply, *, id: str, max_tokens: int, thinking_tokens: int, shows_thinking: bool, diagnosed: bool
) -> bytes:
    """The whole reply. - max_tokens: 0 keeps nothing of it. - shows_thinking, diagnosed: see `MessagesRequest`."""
    content: list[ThinkingContent | TextContent | ToolUseContent] = []
    stats = reply.stats
    if max_tokens == 0:
        stats, thinking_tokens = msgspec.structs.replace(stats, completion_tokens=0), 0
        reason: StopReason = "max_tokens"
    else:
        reason = stop_reason(reply, max_tokens)
        content = _content(reply, shows_thinking)
    return msgspec.json.encode(
        MessageHead(
            id=id,
            model=reply.model,
            content=content,
            stop_reason=reason,
            stop_sequence=stop_sequence(reply) if max_tokens else None,
            usage=usage(stats, thinking_tokens),
            diagnostics=Diagnosis() if diagnosed else UNSET,
        )
    )


def _content(reply: ChatReply, shows_thinking: bool) -> list[ThinkingContent | TextContent | ToolUseContent]:
    thinking = [_thinking(reply.reasoning, shows_thinking)] if reply.reasoning else []
    text = [TextContent(text=reply.text)] if reply.text else []
    calls = [ToolUseContent(id=call.id, name=call.name, input=_input(call)) for call in reply.tool_calls]
    return [*thinking, *text, *calls]


def _thinking(text: str, shown: bool) -> ThinkingContent:
    if shown:
        return ThinkingContent(thinking=text, signature=SIGNATURE)
    return ThinkingContent(thinking="", signature=holding(text))


def _input(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object. What is none is not lost: it is shown as it was written."""
    try:
        found = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"arguments": call.arguments}
