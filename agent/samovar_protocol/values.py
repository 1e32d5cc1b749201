"""The values that requests, replies and events are made of. Sizes are bytes, durations seconds, times Unix seconds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1, max_length=300)]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values: immutable, fields by name, unknown fields ignored."""


class Message(Value, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Sampling(Value, frozen=True, kw_only=True):
    """How the next token is chosen.

    - temperature: 0 is greedy. - top_k: 0 keeps all. - top_p, min_p, typical_p: 1, 0 and 1 switch them off.
    - repeat_penalty: 1 is off. - presence_penalty, frequency_penalty: 0 is off.
    - seed: None draws one; the same seed and prompt give the same text.
    - max_tokens: None goes on to the model's end or the end of the context.
    - stop: texts that end the reply and are left out of it.
    - ignore_eos: go on past the model's own end; for measuring.
    """

    temperature: Annotated[float, Meta(ge=0, le=100)] = 0.8
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] = 40
    top_p: Annotated[float, Meta(ge=0, le=1)] = 0.95
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.05
    typical_p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    repeat_penalty: Annotated[float, Meta(gt=0, le=100)] = 1.0
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    seed: Annotated[int, Meta(ge=0, le=0xFFFFFFFE)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=16)] = []
    ignore_eos: bool = False


class Stats(Value, frozen=True, kw_only=True):
    """What one reply took.

    - prompt_tokens, of which cached_tokens were not computed again; completion_tokens.
    - queue_seconds waiting for a place, load_seconds for the model, prompt_seconds for the prompt,
      decode_seconds from the first token to the last.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_seconds: float = 0.0
    load_seconds: float = 0.0
    prompt_seconds: float = 0.0
    decode_seconds: float = 0.0

    @property
    def time_to_first_token(self) -> float:
        """Seconds from the request to its first token, as the agent saw it."""
        return self.queue_seconds + self.load_seconds + self.prompt_seconds

    @property
    def tokens_per_second(self) -> float:
        """Decode speed after the first token; 0 where there is too little to say."""
        if self.completion_tokens < 2 or self.decode_seconds <= 0:
            return 0.0
        return (self.completion_tokens - 1) / self.decode_seconds


class Progress(Value, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """How far something slow is. `total`, `per_second` and `eta_seconds` are None while unknown.

    - stage: a short text for people ("downloading", "verifying", "loading").
    - unit: what `done` and `total` count.
    """

    stage: str
    done: float = 0
    total: float | None = None
    unit: Literal["bytes", "ratio"] = "bytes"
    per_second: float | None = None
    eta_seconds: float | None = None


class Text(Value, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """The next piece of a reply: whole characters, one or more tokens."""

    text: str
    tokens: int = 1


class ModelInfo(Value, frozen=True, kw_only=True):
    """A model on this machine.

    - key: the name to use everywhere, `publisher/name` or `publisher/name@quantization` where several lie together.
    - state: "ready"; "missing" (the file is gone); "broken" (`problem` says why); "partial" (not fully here yet).
    - parameters, context_length: None where the file does not say.
    - loaded: identifiers of running instances.
    """

    key: str
    name: str
    publisher: str
    path: str
    size_bytes: int
    state: Literal["ready", "missing", "broken", "partial"] = "ready"
    problem: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    capabilities: list[str] = []
    added_at: float = 0.0
    loaded: list[str] = []


class MemoryEstimate(Value, frozen=True, kw_only=True):
    """What loading would take: weights + cache + buffers = need, against what is free now."""

    need_bytes: int
    free_bytes: int
    weights_bytes: int
    cache_bytes: int
    buffer_bytes: int
    context_length: int


InstanceState = Literal["starting", "loading", "ready", "unloading", "stopped", "failed"]


class InstanceInfo(Value, frozen=True, kw_only=True):
    """A model in memory: one engine worker.

    - identifier: what requests may name; the model's key unless the loader chose another.
    - progress: 0 to 1 while loading. - ttl_seconds: unloaded after so long without use; None never.
    - active: requests running; queued: requests waiting. - problem: why it failed.
    """

    identifier: str
    model: str
    state: InstanceState
    progress: float = 0.0
    context_length: int = 0
    memory_bytes: int = 0
    pid: int | None = None
    runtime: str = ""
    loaded_at: float | None = None
    last_used_at: float | None = None
    ttl_seconds: float | None = None
    active: int = 0
    queued: int = 0
    requests: int = 0
    completion_tokens: int = 0
    problem: str | None = None


class HttpInfo(Value, frozen=True, kw_only=True):
    """The local HTTP server. `problem` says why it does not listen where it should."""

    urls: list[str] = []
    problem: str | None = None


NetworkPolicy = Literal["online", "ask", "offline"]


class NetworkInfo(Value, frozen=True, kw_only=True):
    """What may leave the machine (`policy`) and whether there is a network at all (`connected`)."""

    policy: NetworkPolicy
    connected: bool


class Setting(Value, frozen=True, kw_only=True):
    """One setting: dotted key, value now, default, and a sentence about it."""

    key: str
    value: str | int | float | bool | list[str]
    default: str | int | float | bool | list[str]
    about: str


class Check(Value, frozen=True, kw_only=True):
    """One finding of `samovar doctor`."""

    name: str
    outcome: Literal["ok", "warning", "failure"]
    message: str
    hint: str = ""


Scope = Literal["chat", "embed", "documents", "models", "admin"]


class TokenInfo(Value, frozen=True, kw_only=True):
    """An API token without its secret."""

    name: str
    scopes: list[Scope]
    created_at: float
    revoked_at: float | None = None
