"""A reply of `POST /v1/messages` as it is written, byte for byte as Anthropic's clients expect it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET

from samovar_agent.engine.interface import Started
from samovar_agent.http.anthropic.errors import error_body
from samovar_agent.http.anthropic.reply import (
    Diagnosis,
    MessageHead,
    stop_reason,
    stop_sequence,
    usage,
)
from samovar_agent.http.anthropic.signature import SIGNATURE, holding
from samovar_agent.http.openai.json_strings import string
from samovar_agent.http.sse import EventStream
from samovar_protocol import SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Stats, Text, Thinking, ToolCallArguments, ToolCallBegan

PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_encode = msgspec.json.Encoder().encode
_Kind = Literal["text", "thinking", "tool_use"]
_STARTS: dict[_Kind, bytes] = {
    "text": b'{"type":"text","text":""}',
    "thinking": b'{"type":"thinking","thinking":"","signature":""}',
}


class Events(EventStream):
    """A stream of these events. What is told of waiting is a ping, with a comment for who reads along."""

    HEARTBEAT = PING

    async def comment(self, text: str) -> None:
        """Send a ping with a line that clients skip, unless that is the same as the last one."""
        if text != self._last_comment:
            self._last_comment = text
            await self.send(b": %b\n%b" % (text.encode(), PING))

    async def fail(self, error: SamovarError) -> None:
        """Tell a failure as the last event."""
        await self.send(_event(b"error", error_body(error)))


class MessageEvents:
    """The events of one stream. Everything but the text is encoded once a block, because this runs for every token.

    - started: with what of the prompt. - shows_thinking, diagnosed: see `MessagesRequest`.
    """

    def __init__(
        self, started: Started, *, id: str, model: str, max_tokens: int, shows_thinking: bool, diagnosed: bool
    ) -> None:
        self._started = started
        self._id, self._model, self._max_tokens = id, model, max_tokens
        self._shows_thinking, self._diagnosed = shows_thinking, diagnosed
        self._index = -1
        self._open: _Kind | None = None
        self._head = b""
        self._thinking_tokens = 0
        self._hidden: list[str] = []

    def begin(self) -> bytes:
        """The reply with nothing in it. Many clients take the counts of the prompt from here, and no others later."""
        prompt = Stats(prompt_tokens=self._started.prompt_tokens, cached_tokens=self._started.cached_tokens)
        head = MessageHead(
            id=self._id,
            model=self._model,
            usage=usage(prompt, 0),
            diagnostics=Diagnosis() if self._diagnosed else UNSET,
        )
        return _event(b"message_start", b'{"type":"message_start","message":%b}' % _encode(head))

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply, with the block that it begins."""
        match delta:
            case Text():
                begun = b"" if self._open == "text" else self._begin("text", _STARTS["text"])
                return b'%b%b{"type":"text_delta","text":%b}}\n\n' % (begun, self._head, string(delta.text))
            case Thinking():
                self._thinking_tokens += delta.tokens
                begun = b"" if self._open == "thinking" else self._begin("thinking", _STARTS["thinking"])
                if not self._shows_thinking:
                    self._hidden.append(delta.text)
                    return begun
                return b'%b%b{"type":"thinking_delta","thinking":%b}}\n\n' % (begun, self._head, string(delta.text))
            case ToolCallBegan():
                start = b'{"type":"tool_use","id":%b,"name":%b,"input":{}}' % (string(delta.id), string(delta.name))
                return self._begin("tool_use", start)
            case ToolCallArguments():
                return b'%b{"type":"input_json_delta","partial_json":%b}}\n\n' % (self._head, string(delta.json))

    def end(self, reply: ChatReply) -> bytes:
        """The end of the last block, why the reply ended, and what it took."""
        reason = stop_reason(reply, self._max_tokens)
        body = b'{"type":"message_delta","delta":{"stop_reason":%b,"stop_sequence":%b},"usage":%b}' % (
            _encode(reason),
            _encode(None) if (stop := stop_sequence(reply)) is None else string(stop),
            _encode(usage(reply.stats, self._thinking_tokens)),
        )
        stop_event = _event(b"message_stop", b'{"type":"message_stop"}')
        return self._end_block() + _event(b"message_delta", body) + stop_event

    def _begin(self, kind: _Kind, start: bytes) -> bytes:
        ended = self._end_block()
        self._index += 1
        self._open = kind
        self._head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._index
        )
        body = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (self._index, start)
        return ended + _event(b"content_block_start", body)

    def _end_block(self) -> bytes:
        if self._open is None:
            return b""
        signed = self._sign() if self._open == "thinking" else b""
        self._open = None
        body = b'{"type":"content_block_stop","index":%d}' % self._index
        return signed + _event(b"content_block_stop", body)

    def _sign(self) -> bytes:
        signature = SIGNATURE if self._shows_thinking else holding("".join(self._hidden))
        self._hidden.clear()
        return b'%b{"type":"signature_delta","signature":%b}}\n\n' % (self._head, _encode(signature))


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)
