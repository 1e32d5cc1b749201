"""Replies of `/api/chat` and `/api/generate`, whole and as they are written, byte for byte as Ollama's clients expect.

Both have the same lines; a `Shape` says what a piece looks like in them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from samovar_agent.http.ollama.lines import now
from samovar_agent.http.openai.json_strings import one_line, string
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Stats, Text, Thinking, TokenLogprob, ToolCallBegan

_LEAST = -9999.0
"""What is said of a token that is out of the question; JSON has no minus infinity."""
_encode = msgspec.json.Encoder().encode


class Shape(Protocol):
    """A piece of a reply as fields of a line. Arguments are JSON; empty for none."""

    def fields(self, text: bytes, thinking: bytes = b"", calls: bytes = b"") -> bytes:
        """The fields, separated by commas. - text: never none."""


class ChatShape:
    """`"message": {...}`."""

    def fields(self, text: bytes, thinking: bytes = b"", calls: bytes = b"") -> bytes:
        """See `Shape`."""
        more = (b',"thinking":' + thinking if thinking else b"") + (b',"tool_calls":' + calls if calls else b"")
        return b'"message":{"role":"assistant","content":' + text + more + b"}"


class GenerateShape:
    """`"response": "…"`."""

    def fields(self, text: bytes, thinking: bytes = b"", calls: bytes = b"") -> bytes:
        """See `Shape`; nothing is offered there that could be called."""
        return b'"response":' + text + (b',"thinking":' + thinking if thinking else b"")


class OpenCall:
    """A tool call whose arguments still come; clients get it whole."""

    def __init__(self, began: ToolCallBegan) -> None:
        self.index, self._id, self._name = began.index, began.id, began.name
        self._arguments: list[str] = []

    def add(self, json: str) -> None:
        """More of its arguments."""
        self._arguments.append(json)

    def encoded(self) -> bytes:
        """The call as JSON; nothing where the limit of tokens cut it off, because that is no call."""
        return _call(self.index, self._id, self._name, "".join(self._arguments))


class ReplyLines:
    """One reply. - model: as the client named it. - began: `time.perf_counter_ns` when its request came."""

    def __init__(self, shape: Shape, model: str, began: int) -> None:
        self._shape, self._began = shape, began
        self._head = b'{"model":' + string(model) + b',"created_at":"'
        self._call: OpenCall | None = None

    def begin(self) -> bytes:
        """Nothing comes before the first piece."""
        return b""

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        if isinstance(delta, Text):
            return self._closed() + self._open(self._shape.fields(string(delta.text)), delta.logprobs)
        if isinstance(delta, Thinking):
            return self._closed() + self._open(self._shape.fields(b'""', string(delta.text)), delta.logprobs)
        if isinstance(delta, ToolCallBegan):
            closed = self._closed()
            self._call = OpenCall(delta)
            return closed
        if self._call is not None:
            self._call.add(delta.json)
        return b""

    def end(self, reply: ChatReply) -> bytes:
        """Why it ended, and what it took."""
        return self._closed() + self._done(self._shape.fields(b'""'), reply, ())

    def whole(self, reply: ChatReply) -> bytes:
        """The same at once."""
        calls = [
            encoded
            for index, call in enumerate(reply.tool_calls)
            if (encoded := _call(index, call.id, call.name, call.arguments))
        ]
        fields = self._shape.fields(
            string(reply.text),
            string(reply.reasoning) if reply.reasoning else b"",
            b"[" + b",".join(calls) + b"]" if calls else b"",
        )
        return self._done(fields, reply, reply.logprobs)

    def nothing(self, reason: str) -> bytes:
        """The reply to a request that only loads or unloads."""
        return self._line(self._shape.fields(b'""'), b',"done":true,"done_reason":"%b"' % reason.encode())

    def waiting(self, what: str) -> bytes:
        """The line that adds nothing. - what: is waited for."""
        said = b',"samovar":' + string(what) if what else b""
        return self._line(self._shape.fields(b'""'), b',"done":false' + said)

    def _line(self, fields: bytes, rest: bytes) -> bytes:
        return self._head + now() + b'",' + fields + rest + b"}\n"

    def _open(self, fields: bytes, tokens: Sequence[TokenLogprob]) -> bytes:
        return self._line(fields, _logprobs(tokens) + b',"done":false')

    def _closed(self) -> bytes:
        """The call that is complete now, if one was open."""
        call, self._call = self._call, None
        encoded = call.encoded() if call is not None else b""
        return self._open(self._shape.fields(b'""', calls=b"[" + encoded + b"]"), ()) if encoded else b""

    def _done(self, fields: bytes, reply: ChatReply, tokens: Sequence[TokenLogprob]) -> bytes:
        reason = b"length" if reply.finish_reason == "length" else b"stop"
        took = durations(reply.stats, time.perf_counter_ns() - self._began)
        return self._line(fields, _logprobs(tokens) + b',"done":true,"done_reason":"' + reason + b'",' + took)


def durations(stats: Stats, total: int) -> bytes:
    """The fields about tokens and time, in nanoseconds. - total: of the whole request."""
    values = {
        "total_duration": total,
        "load_duration": _nanoseconds(stats.load_seconds),
        "prompt_eval_count": stats.prompt_tokens,
        "prompt_eval_duration": _nanoseconds(stats.prompt_seconds),
        "eval_count": stats.completion_tokens,
        # Clients divide by it.
        "eval_duration": max(_nanoseconds(stats.decode_seconds), 1),
    }
    return _encode(values)[1:-1]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _call(index: int, id_: str, name: str, arguments: str) -> bytes:
    try:
        msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return b""
    # As the model wrote them, so that no number changes; a break between two values may not end the line.
    written = one_line((arguments or "{}").encode("utf-8", "replace")).replace(b"\r", b" ").replace(b"\n", b" ")
    head = b'{"id":%b,"function":{"index":%d,"name":%b,"arguments":' % (string(id_), index, string(name))
    return head + written + b"}}"


def _logprobs(tokens: Sequence[TokenLogprob]) -> bytes:
    if not tokens:
        return b""
    entries = [{**_token(token), "top_logprobs": [_token(other) for other in token.top]} for token in tokens]
    return b',"logprobs":' + one_line(_encode(entries))


def _token(token: TokenLogprob) -> dict[str, object]:
    return {"token": token.text, "logprob": max(token.logprob, _LEAST), "bytes": list(token.data)}
