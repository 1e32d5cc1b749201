"""A reply of `POST /v1/chat/completions` as it is written, byte for byte as OpenAI's clients expect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from samovar_agent.http.openai.accounting import speeds, timings, usage
from samovar_agent.http.openai.json_strings import one_line, string
from samovar_agent.http.openai.logprobs import logprobs_of
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import (
    AnyDelta,
    FinishReason,
    Stats,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)

_DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True):
    """What all chunks of a stream begin with."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str


class Chunks:
    """The events of one stream. Everything but the text is encoded once, because this runs for every token.

    - n: how many choices there are. - wants_usage: the client asked for the chunk with token counts; the others then
    say `"usage": null`. - wants_stats: the last of them has LM Studio's.
    """

    def __init__(
        self, *, id: str, created: int, model: str, n: int, wants_usage: bool, wants_stats: bool = False
    ) -> None:
        self._head = b"data: " + _encode(ChunkHead(id=id, created=created, model=model))[:-1] + b',"choices":['
        self._tail = b"}]" + (b',"usage":null' if wants_usage else b"")
        self._open_tail = b',"logprobs":null,"finish_reason":null' + self._tail + b"}\n\n"
        self._delta_heads = [self._head + b'{"index":%d,"delta":' % index for index in range(n)]
        self._text_heads = [head + b'{"content":' for head in self._delta_heads]
        self._text_tail = b"}" + self._open_tail
        self._wants_usage, self._wants_stats = wants_usage, wants_stats
        self._reasoning_tokens = 0

    def begin(self) -> bytes:
        """The role, once for each choice."""
        role = b'{"role":"assistant","content":"","refusal":null}'
        return b"".join(head + role + self._open_tail for head in self._delta_heads)

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        if isinstance(delta, Text):
            if not delta.logprobs:  # nearly every one
                encoded = _encode(delta.text)
                if not delta.text.isascii():
                    encoded = one_line(encoded)
                return self._text_heads[delta.choice] + encoded + self._text_tail
            return self._probable(delta.choice, b'{"content":' + string(delta.text) + b"}", delta.logprobs)
        if isinstance(delta, Thinking):
            self._reasoning_tokens += delta.tokens
            body = b'{"reasoning_content":' + string(delta.text) + b"}"
            return self._probable(delta.choice, body, delta.logprobs)
        return self._delta_heads[delta.choice] + _tool_call(delta) + self._open_tail

    def end(self, reply: ChatReply) -> bytes:
        """Why each choice ended, our timings, the token counts where wanted, and `[DONE]`."""
        reasons = [reply.finish_reason, *(choice.finish_reason for choice in reply.alternatives)]
        last = len(reasons) - 1
        events = b"".join(
            self._ended(index, reason, reply.stats if index == last else None) for index, reason in enumerate(reasons)
        )
        if self._wants_usage:
            events += self._head + b'],"usage":%b}\n\n' % _encode(usage(reply.stats, self._reasoning_tokens))
        return events + _DONE

    def _ended(self, index: int, reason: FinishReason, stats: Stats | None) -> bytes:
        ours = b"" if stats is None else b',"samovar":' + _encode(timings(stats))
        if stats is not None and self._wants_stats:
            ours += b',"stats":' + _encode(speeds(stats))
        return b'%b{},"logprobs":null,"finish_reason":"%b"%b%b}\n\n' % (
            self._delta_heads[index],
            reason.encode(),
            self._tail,
            ours,
        )

    def _probable(self, choice: int, delta: bytes, tokens: Sequence[TokenLogprob]) -> bytes:
        logprobs = one_line(_encode(logprobs_of(tokens)))
        return b'%b%b,"logprobs":%b,"finish_reason":null%b}\n\n' % (
            self._delta_heads[choice],
            delta,
            logprobs,
            self._tail,
        )


def _tool_call(delta: ToolCallBegan | ToolCallArguments) -> bytes:
    if isinstance(delta, ToolCallBegan):
        return b'{"tool_calls":[{"index":%d,"id":%b,"type":"function","function":{"name":%b,"arguments":""}}]}' % (
            delta.index,
            string(delta.id),
            string(delta.name),
        )
    return b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (delta.index, string(delta.json))
