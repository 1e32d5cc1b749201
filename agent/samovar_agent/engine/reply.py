"""A reply put together from its pieces."""

from __future__ import annotations

import msgspec

from samovar_agent.engine.interface import Finished
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import (
    AnyDelta,
    Choice,
    FinishReason,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
    ToolCallArguments,
    ToolCallBegan,
)


class ReplyBuilder:
    """Takes the pieces of a generation as they come.

        reply = ReplyBuilder(n=1)
        reply.add(Text(text="Hello"))
        reply.build("publisher/model", finished, load_seconds=0.0)

    - n: how many choices there will be.
    """

    def __init__(self, n: int) -> None:
        self._choices = [_Choice() for _ in range(n)]

    def add(self, delta: AnyDelta) -> None:
        """One more piece."""
        self._choices[delta.choice].add(delta)

    def build(self, model: str, finished: Finished, load_seconds: float) -> ChatReply:
        """The whole reply."""
        stop_texts = finished.stop_texts or [None] * len(self._choices)
        ends = zip(self._choices, finished.finish_reasons, stop_texts, strict=True)
        first, *others = [choice.build(reason, stop_text) for choice, reason, stop_text in ends]
        return ChatReply(
            model=model,
            text=first.text,
            finish_reason=first.finish_reason,
            stop_text=first.stop_text,
            stats=msgspec.structs.replace(finished.stats, load_seconds=load_seconds),
            reasoning=first.reasoning,
            tool_calls=first.tool_calls,
            logprobs=first.logprobs,
            alternatives=others,
        )


class _Choice:
    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, tuple[ToolCallBegan, list[str]]] = {}
        self._logprobs: list[TokenLogprob] = []

    def add(self, delta: AnyDelta) -> None:
        match delta:
            case Text():
                self._texts.append(delta.text)
                self._logprobs += delta.logprobs
            case Thinking():
                self._thoughts.append(delta.text)
                self._logprobs += delta.logprobs
            case ToolCallBegan():
                self._calls[delta.index] = (delta, [])
            case ToolCallArguments():
                self._calls[delta.index][1].append(delta.json)

    def build(self, reason: FinishReason, stop_text: str | None) -> Choice:
        calls = [
            ToolCall(id=began.id, name=began.name, arguments="".join(parts)) for began, parts in self._calls.values()
        ]
        return Choice(
            text="".join(self._texts),
            reasoning="".join(self._thoughts),
            tool_calls=calls,
            finish_reason=reason,
            stop_text=stop_text,
            logprobs=self._logprobs,
        )
