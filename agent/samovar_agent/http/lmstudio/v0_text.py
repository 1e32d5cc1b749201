"""The body and the reply of `POST /api/v0/completions`: one text that goes on, in OpenAI's older shape."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.openai.accounting import Usage, usage
from samovar_agent.http.openai.chat_request import ChatRequest, StreamOptions
from samovar_agent.http.openai.json_strings import string
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, FinishReason, Name, Sampling, Text

_encode = msgspec.json.Encoder().encode
_SAMPLING = (
    *("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty"),
    *("logit_bias", "seed", "stop", "max_tokens"),
)
Token = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class TextRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - prompt: a text or its tokens. - suffix: what comes after the reply. Others as in `ChatRequest`."""

    model: Name
    prompt: str | Annotated[list[Token], Meta(min_length=1)]
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    n: Literal[1] | None = None
    echo: Literal[False] | None = None
    user: Any = None  # without effect

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        given = {name: getattr(self, name) for name in _SAMPLING}
        return ChatRequest(model=self.model, messages=[], **given).to_sampling()

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class TextHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply, and each of its chunks, begins with."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The text."""

    index: Literal[0] = 0
    text: str
    logprobs: None = None
    finish_reason: FinishReason


class TextCompletion(TextHead, frozen=True, kw_only=True):
    """A whole reply."""

    choices: list[TextChoice]
    usage: Usage


def text_completion(head: TextHead, reply: ChatReply) -> bytes:
    """The whole reply."""
    choice = TextChoice(text=reply.text, finish_reason=reply.finish_reason)
    whole = TextCompletion(
        id=head.id, created=head.created, model=head.model, choices=[choice], usage=usage(reply.stats, 0)
    )
    return _encode(whole)


class TextChunks:
    """The events of one stream. - wants_usage: one more chunk at the end, with the token counts."""

    def __init__(self, head: TextHead, *, wants_usage: bool) -> None:
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":['
        self._wants_usage = wants_usage

    def begin(self) -> bytes:
        """Nothing comes before the text."""
        return b""

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the text."""
        return self._chunk(delta.text, b"null") if isinstance(delta, Text) else b""

    def end(self, reply: ChatReply) -> bytes:
        """Why it ended, the token counts where wanted, and `[DONE]`."""
        events = self._chunk("", _encode(reply.finish_reason))
        if self._wants_usage:
            events += self._head + b'],"usage":%b}\n\n' % _encode(usage(reply.stats, 0))
        return events + b"data: [DONE]\n\n"

    def _chunk(self, text: str, reason: bytes) -> bytes:
        choice = b'{"index":0,"text":%b,"logprobs":null,"finish_reason":%b}]' % (string(text), reason)
        return self._head + choice + (b',"usage":null' if self._wants_usage else b"") + b"}\n\n"
