"""What `POST /api/v1/chat` answers, whole or as events while it is written."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.lmstudio.errors import error_object
from samovar_agent.http.openai.json_strings import one_line, string
from samovar_protocol import SamovarError
from samovar_protocol.values import AnyDelta, Stats, Text, Thinking, ToolCallArguments, ToolCallBegan

_encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model says."""

    content: str


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What it thinks before."""

    content: str


class InvalidName(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invalid_name"):
    """There is no such tool."""

    tool_name: str


class InvalidToolCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invalid_tool_call"):
    """A call of something that nobody offered; nothing is offered here."""

    reason: str
    metadata: InvalidName


OutputItem = Message | Reasoning | InvalidToolCall


class ChatStats(msgspec.Struct, frozen=True, kw_only=True):
    """- time_to_first_token_seconds: without loading, whose time is told apart. None where a failure came before."""

    input_tokens: int | None
    total_output_tokens: int
    reasoning_output_tokens: int
    tokens_per_second: float | None
    time_to_first_token_seconds: float | None
    model_load_time_seconds: float | UnsetType = UNSET


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole reply. - response_id: where it is stored."""

    model_instance_id: str
    output: list[OutputItem]
    stats: ChatStats
    response_id: str | UnsetType = UNSET


class Output:
    """The items of a reply as they are written, and the events that tell of them.

    - tokens, reasoning_tokens: so far.
    """

    def __init__(self) -> None:
        self.items: list[OutputItem] = []
        self.tokens = self.reasoning_tokens = 0
        self._open: type[Message] | type[Reasoning] | None = None
        self._texts: list[str] = []

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply; runs for every token."""
        if isinstance(delta, Text):
            self.tokens += delta.tokens
            data = b"" if self._open is Message else self._begin(Message)
            self._texts.append(delta.text)
            return data + b'event: message.delta\ndata: {"type":"message.delta","content":%b}\n\n' % string(delta.text)
        if isinstance(delta, Thinking):
            self.tokens += delta.tokens
            self.reasoning_tokens += delta.tokens
            data = b"" if self._open is Reasoning else self._begin(Reasoning)
            self._texts.append(delta.text)
            return data + b'event: reasoning.delta\ndata: {"type":"reasoning.delta","content":%b}\n\n' % string(
                delta.text
            )
        return self._called(delta)

    def end(self) -> bytes:
        """The reply is over, or failed; what is open counts as it is. One without anything has an empty message."""
        data = b"" if self.items or self._open is not None else self._begin(Message)
        return data + self._close()

    def cut(self) -> bytes:
        """The reply failed; what there is of it counts."""
        return self._close()

    def _begin(self, kind: type[Message] | type[Reasoning]) -> bytes:
        data = self._close()
        self._open = kind
        return data + event(f"{_NAMES[kind]}.start")

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        kind, self._open = self._open, None
        self.items.append(kind(content="".join(self._texts)))
        self._texts = []
        return event(f"{_NAMES[kind]}.end")

    def _called(self, delta: ToolCallBegan | ToolCallArguments) -> bytes:
        if isinstance(delta, ToolCallArguments):
            return b""
        data = self._close()
        reason = f"There is no tool called '{delta.name}': none was offered."
        call = InvalidToolCall(reason=reason, metadata=InvalidName(tool_name=delta.name))
        self.items.append(call)
        return data + event("tool_call.failure", reason=call.reason, metadata=call.metadata)


_NAMES: dict[type[Message] | type[Reasoning], str] = {Message: "message", Reasoning: "reasoning"}


def chat_stats(stats: Stats, output: Output, load_seconds: float | None) -> ChatStats:
    """Of a whole reply."""
    return ChatStats(
        input_tokens=stats.prompt_tokens,
        total_output_tokens=stats.completion_tokens,
        reasoning_output_tokens=output.reasoning_tokens,
        tokens_per_second=stats.tokens_per_second or None,
        time_to_first_token_seconds=stats.queue_seconds + stats.prompt_seconds,
        model_load_time_seconds=UNSET if load_seconds is None else load_seconds,
    )


def cut_stats(output: Output, load_seconds: float | None) -> ChatStats:
    """Of one that failed: what was counted on the way, and nothing else."""
    return ChatStats(
        input_tokens=None,
        total_output_tokens=output.tokens,
        reasoning_output_tokens=output.reasoning_tokens,
        tokens_per_second=None,
        time_to_first_token_seconds=None,
        model_load_time_seconds=UNSET if load_seconds is None else load_seconds,
    )


def event(kind: str, **values: Any) -> bytes:
    """One event, named twice."""
    data = one_line(_encode({"type": kind, **values}))
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def failed(error: SamovarError) -> bytes:
    """The event that tells a failure."""
    return event("error", error=error_object(error))
