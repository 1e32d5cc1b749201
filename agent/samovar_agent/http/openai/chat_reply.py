"""Replies of `POST /v1/chat/completions`, whole and in chunks, byte for byte as OpenAI's clients expect them."""

from __future__ import annotations

from typing import Literal

import msgspec

from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Stats

DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """- cached_tokens: how much of the prompt was not computed again."""

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class Timings(msgspec.Struct, frozen=True):
    """Our own addition, `samovar`: where the time went."""

    queue_seconds: float
    load_seconds: float
    prompt_seconds: float
    decode_seconds: float
    tokens_per_second: float


class ReplyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The only one."""

    index: int = 0
    message: ReplyMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    samovar: Timings


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True):
    """What all chunks of a stream begin with."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str


def completion(reply: ChatReply, *, id: str, created: int) -> bytes:
    """The whole reply."""
    return _encode(
        Completion(
            id=id,
            created=created,
            model=reply.model,
            choices=[Choice(message=ReplyMessage(content=reply.text), finish_reason=reply.finish_reason)],
            usage=_usage(reply.stats),
            samovar=_timings(reply.stats),
        )
    )


class Chunks:
    """The events of one stream. Everything but the text is encoded once, because this runs for every token.

    - wants_usage: the client asked for the chunk with token counts; the others then say `"usage": null`.
    """

    def __init__(self, *, id: str, created: int, model: str, wants_usage: bool) -> None:
        head = b"data: " + _encode(ChunkHead(id=id, created=created, model=model))[:-1] + b',"choices":['
        self._usage_head = head
        self._head = head + b'{"index":0,"delta":'
        self._tail = b"}]" + (b',"usage":null' if wants_usage else b"")
        open_tail = b',"logprobs":null,"finish_reason":null' + self._tail + b"}\n\n"
        self._text_head = self._head + b'{"content":'
        self._text_tail = b"}" + open_tail
        self._wants_usage = wants_usage
        self.role = self._head + b'{"role":"assistant","content":"","refusal":null}' + open_tail

    def text(self, text: str) -> bytes:
        """A piece of the reply."""
        encoded = _encode(text)
        if not text.isascii():
            # Legal in JSON, but some clients split the stream into lines with Python's str.splitlines.
            encoded = (
                encoded.replace(b"\xe2\x80\xa8", b"\\u2028")
                .replace(b"\xe2\x80\xa9", b"\\u2029")
                .replace(b"\xc2\x85", b"\\u0085")
            )
        return self._text_head + encoded + self._text_tail

    def end(self, reply: ChatReply) -> bytes:
        """The reason why it ended, our timings, the token counts where wanted, and `[DONE]`."""
        reason, timings = _encode(reply.finish_reason), _encode(_timings(reply.stats))
        events = b'%b{},"logprobs":null,"finish_reason":%b%b,"samovar":%b}\n\n' % (
            self._head,
            reason,
            self._tail,
            timings,
        )
        if self._wants_usage:
            events += b'%b],"usage":%b}\n\n' % (self._usage_head, _encode(_usage(reply.stats)))
        return events + DONE


def _usage(stats: Stats) -> Usage:
    return Usage(
        prompt_tokens=stats.prompt_tokens,
        completion_tokens=stats.completion_tokens,
        total_tokens=stats.prompt_tokens + stats.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(stats.cached_tokens),
    )


def _timings(stats: Stats) -> Timings:
    return Timings(
        queue_seconds=stats.queue_seconds,
        load_seconds=stats.load_seconds,
        prompt_seconds=stats.prompt_seconds,
        decode_seconds=stats.decode_seconds,
        tokens_per_second=stats.tokens_per_second,
    )
