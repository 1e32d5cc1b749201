"""A reply of `POST /infill`, in the fields that editors' plugins read.

{"index": 0, "content": "x + 1", "stop": true, "tokens_predicted": 4, "tokens_evaluated": 120, "timings": {…}, …}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import msgspec

from samovar_agent.http.openai.json_strings import one_line
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Sampling, Stats, Text


class Timings(TypedDict):
    """Tokens and milliseconds; `cache` for those that were not computed again."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class Infilled(TypedDict, total=False):
    """The reply; `response_fields` of the request leaves some out, and names others by their path."""

    index: int
    content: str
    tokens: list[int]
    id_slot: int
    stop: bool
    stop_type: Literal["limit", "eos"]
    model: str
    tokens_predicted: int
    tokens_evaluated: int
    tokens_cached: int
    truncated: bool
    has_new_line: bool
    generation_settings: dict[str, Any]
    timings: Timings


class InfillReply:
    """Makes the reply, whole or in pieces.

    - model: what answers. - context_length: tokens that it has room for, where that is known. - n_predict: most
    tokens, -1 where there is no limit. - fields: only these are told.
    """

    def __init__(
        self,
        *,
        model: str,
        sampling: Sampling,
        context_length: int | None,
        n_predict: int,
        stream: bool,
        fields: Sequence[str] | None,
    ) -> None:
        self._model, self._sampling, self._context_length = model, sampling, context_length
        self._n_predict, self._stream, self._fields = n_predict, stream, fields
        self._pieces = 0

    def begin(self) -> bytes:
        """Nothing comes before the first piece."""
        return b""

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        if not isinstance(delta, Text):
            return b""
        self._pieces += delta.tokens
        body: Infilled = {
            "index": 0,
            "content": delta.text,
            "tokens": [],
            "stop": False,
            "tokens_predicted": self._pieces,
        }
        return _event(body)

    def end(self, reply: ChatReply) -> bytes:
        """What there is to say at the end."""
        return _event(self._told(reply, content=""))

    def whole(self, reply: ChatReply) -> bytes:
        """All of it at once."""
        return msgspec.json.encode(self._told(reply, content=reply.text))

    def _told(self, reply: ChatReply, *, content: str) -> Mapping[str, Any]:
        stats = reply.stats
        limited = reply.finish_reason == "length"
        body: Infilled = {
            "index": 0,
            "content": content,
            "tokens": [],
            "id_slot": -1,
            "stop": True,
            "model": reply.model,
            "tokens_predicted": stats.completion_tokens,
            "tokens_evaluated": stats.prompt_tokens,
            "tokens_cached": stats.cached_tokens,
            "truncated": limited and self._is_full(stats),
            "has_new_line": "\n" in reply.text,
            "generation_settings": self._settings(),
            "timings": _timings(stats),
        }
        if limited or not self._sampling.stop:  # otherwise nobody knows whether it was one of these
            body["stop_type"] = "limit" if limited else "eos"
        return body if self._fields is None else _chosen(body, self._fields)

    def _is_full(self, stats: Stats) -> bool:
        used = stats.prompt_tokens + stats.completion_tokens
        return self._context_length is not None and used >= self._context_length

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = msgspec.to_builtins(self._sampling, str_keys=True)
        for ours in ("max_tokens", "stop_tokens"):
            del settings[ours]
        most = {"n_predict": self._n_predict, "max_tokens": self._n_predict}
        return settings | most | {"n_ctx": self._context_length, "model": self._model, "stream": self._stream}


def _timings(stats: Stats) -> Timings:
    computed, written = stats.prompt_tokens - stats.cached_tokens, stats.completion_tokens
    return {
        "cache_n": stats.cached_tokens,
        "prompt_n": computed,
        "prompt_ms": stats.prompt_seconds * 1000,
        "prompt_per_token_ms": _ratio(stats.prompt_seconds * 1000, computed),
        "prompt_per_second": _ratio(computed, stats.prompt_seconds),
        "predicted_n": written,
        "predicted_ms": stats.decode_seconds * 1000,
        "predicted_per_token_ms": _ratio(stats.decode_seconds * 1000, written),
        "predicted_per_second": _ratio(written, stats.decode_seconds),
    }


def _ratio(of: float, to: float) -> float:
    return of / to if to else 0.0


def _chosen(body: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """These fields; what is inside of another one keeps its whole path as its name. Unknown ones are left out."""
    chosen: dict[str, Any] = {}
    for field in fields:
        value: Any = body
        for name in field.split("/"):
            value = value.get(name, msgspec.UNSET) if isinstance(value, dict) else msgspec.UNSET
        if value is not msgspec.UNSET:
            chosen[field] = value
    return chosen


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % one_line(msgspec.json.encode(body))
