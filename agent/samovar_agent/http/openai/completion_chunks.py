"""A reply of `POST /v1/completions` as it is written, byte for byte as OpenAI's clients expect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from samovar_agent.http.openai.accounting import speeds, timings, usage
from samovar_agent.http.openai.completion_logprobs import TokenOffsets
from samovar_agent.http.openai.json_strings import one_line, string
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Stats, Text, TokenLogprob

_DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True):
    """What all chunks of a stream begin with."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str


class TextChunks:
    """The events of one stream. Everything but the text is encoded once, because this runs for every token.

    - echoes: what stands before the text of each choice. - wants_usage: the client asked for the chunk with token
    counts; the others then say `"usage": null`. - wants_stats: the last chunk has LM Studio's.
    """

    def __init__(
        self, *, id: str, created: int, model: str, echoes: Sequence[str], wants_usage: bool, wants_stats: bool
    ) -> None:
        self._head = b"data: " + _encode(ChunkHead(id=id, created=created, model=model))[:-1] + b',"choices":['
        self._tail = b"}]" + (b',"usage":null' if wants_usage else b"")
        self._text_heads = [self._head + b'{"index":%d,"text":' % index for index in range(len(echoes))]
        self._text_tail = b',"logprobs":null,"finish_reason":null' + self._tail + b"}\n\n"
        self._offsets = [TokenOffsets() for _ in echoes]
        self._echoes, self._wants_usage, self._wants_stats = echoes, wants_usage, wants_stats

    def begin(self) -> bytes:
        """The prompts, where they are to be told again."""
        return b"".join(self._text(index, echo) for index, echo in enumerate(self._echoes) if echo)

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        if not isinstance(delta, Text):
            return b""
        if not delta.logprobs:  # nearly every one
            return self._text(delta.choice, delta.text)
        return self._probable(delta.choice, delta.text, delta.logprobs)

    def end(self, reply: ChatReply) -> bytes:
        """Why each choice ended, our timings, the token counts where wanted, and `[DONE]`."""
        reasons = [reply.finish_reason, *(choice.finish_reason for choice in reply.alternatives)]
        last = len(reasons) - 1
        events = b"".join(
            b'%b"","logprobs":null,"finish_reason":"%b"%b%b}\n\n'
            % (self._text_heads[index], reason.encode(), self._tail, self._ours(reply.stats) if index == last else b"")
            for index, reason in enumerate(reasons)
        )
        if self._wants_usage:
            events += self._head + b'],"usage":%b}\n\n' % _encode(usage(reply.stats, 0))
        return events + _DONE

    def _text(self, choice: int, text: str) -> bytes:
        return self._text_heads[choice] + string(text) + self._text_tail

    def _probable(self, choice: int, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        logprobs = one_line(_encode(self._offsets[choice].logprobs_of(tokens)))
        return b'%b%b,"logprobs":%b,"finish_reason":null%b}\n\n' % (
            self._text_heads[choice],
            string(text),
            logprobs,
            self._tail,
        )

    def _ours(self, stats: Stats) -> bytes:
        ours = b',"samovar":' + _encode(timings(stats))
        return ours + (b',"stats":' + _encode(speeds(stats)) if self._wants_stats else b"")
