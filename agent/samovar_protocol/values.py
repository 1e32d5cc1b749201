"""The values that requests, replies and events are made of. Sizes are bytes, durations seconds, times Unix seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A number of the database's."""
Name = Annotated[str, Meta(min_length=1, max_length=300)]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values: immutable, fields by name, unknown fields ignored."""


class ToolCall(Value, frozen=True, kw_only=True):
    """A call that the model made. - arguments: a JSON object as text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Value, frozen=True, kw_only=True):
    """One turn of a conversation.

    - tool_calls: what an assistant called. - tool_call_id, name: which call a "tool" message answers, and whose.
    - reasoning: what the assistant thought; only templates that want it back show it to the model.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None


class Tool(Value, frozen=True, kw_only=True):
    """What the model may call. - parameters: a JSON Schema of the arguments."""

    name: Name
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class NamedTool(Value, frozen=True, kw_only=True):
    """The tool that must be called."""

    name: Name


class AnyJson(Value, frozen=True, kw_only=True, tag_field="type", tag="json"):
    """The reply is a JSON object."""


class JsonSchema(Value, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """The reply is JSON that this schema allows."""

    json_schema: dict[str, Any] | bool


class Grammar(Value, frozen=True, kw_only=True, tag_field="type", tag="grammar"):
    """The reply is a text of this grammar, in llama.cpp's notation."""

    gbnf: Annotated[str, Meta(min_length=1, max_length=1_000_000)]


ReplyFormat = AnyJson | JsonSchema | Grammar
Priority = Literal["interactive", "background"]


class ChatOptions(Value, frozen=True, kw_only=True):
    """What a reply may be, beside how its tokens are chosen.

    - tools: what may be called. - tool_choice: "auto" leaves it to the model. - parallel_tool_calls: several a reply.
    - reply_format: None for any text. - thinking: whether the model reasons first, where its template has that switch;
    None for the template's default. - thinking_budget: tokens after which it must answer, where it reasons apart.
    - continue_final_message: the last message is the assistant's, unfinished; the reply goes on from its end, without
    reasoning. - template_arguments: further variables of the template.
    - n: so many replies to the same prompt. - logprobs: of each token, with so many alternatives (`top_logprobs`).
    - speculation: guess ahead where that pays; never changes a reply. - priority: "background" waits for the others.
    - deadline_seconds: fail with `deadline_exceeded` after so long.
    """

    tools: Annotated[list[Tool], Meta(max_length=1024)] = []
    tool_choice: Literal["auto", "none", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool = True
    reply_format: ReplyFormat | None = None
    thinking: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    continue_final_message: bool = False
    template_arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    n: Annotated[int, Meta(ge=1, le=16)] = 1
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] = 0
    speculation: bool = True
    priority: Priority = "interactive"
    deadline_seconds: Annotated[float, Meta(gt=0, le=86_400 * 30)] | None = None


class Sampling(Value, frozen=True, kw_only=True):
    """How the next token is chosen.

    - temperature: 0 is greedy. - top_k: 0 keeps all. - top_p, min_p, typical_p: 1, 0 and 1 switch them off.
    - repeat_penalty: 1 is off. - presence_penalty, frequency_penalty: 0 is off.
    - repeat_last_n: how far back the penalties look; -1 for everything.
    - dry_*: DRY, which makes longer repetitions ever less likely; a multiplier of 0 is off.
    - logit_bias: added to a token's score before anything else; by token id. - stop_tokens: ids that end the reply.
    - seed: None draws one; the same seed and prompt, alone, give the same text.
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
    repeat_last_n: Annotated[int, Meta(ge=-1, le=100_000_000)] = 64
    dry_multiplier: Annotated[float, Meta(ge=0, le=100)] = 0.0
    dry_base: Annotated[float, Meta(ge=1, le=100)] = 1.75
    dry_allowed_length: Annotated[int, Meta(ge=0, le=1_000_000)] = 2
    dry_penalty_last_n: Annotated[int, Meta(ge=-1, le=100_000_000)] = -1
    dry_sequence_breakers: Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=64)] = (
        msgspec.field(default_factory=lambda: ["\n", ":", '"', "*"])
    )
    logit_bias: Annotated[dict[int, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=1024)] = {}
    stop_tokens: Annotated[list[int], Meta(max_length=64)] = []
    seed: Annotated[int, Meta(ge=0, le=0xFFFFFFFE)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=16)] = []
    ignore_eos: bool = False


class Stats(Value, frozen=True, kw_only=True):
    """What one reply took.

    - prompt_tokens, of which cached_tokens were not computed again; completion_tokens, of all choices together.
    - drafted_tokens were guessed ahead, and accepted_tokens of them were right.
    - queue_seconds waiting for a place, load_seconds for the model, prompt_seconds for the prompt,
      decode_seconds from the first token to the last.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
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

    - stage: a short text for people ("downloading", "verifying", "loading", "reading" a long prompt, "answering" while
    nothing of an answer from documents can be shown yet); "queued" counts the requests before.
    - unit: what `done` and `total` count.
    """

    stage: str
    done: float = 0
    total: float | None = None
    unit: Literal["bytes", "ratio", "requests", "documents", "passages"] = "bytes"
    per_second: float | None = None
    eta_seconds: float | None = None


class TokenLogprob(Value, frozen=True, kw_only=True):
    """How likely a token was: its text, its bytes (a token may end inside a character), the natural logarithm.

    - top: the likeliest tokens in its place, where asked for.
    """

    text: str
    data: bytes
    logprob: float
    top: list[TokenLogprob] = []


class Delta(Value, frozen=True, kw_only=True, tag_field="type"):
    """A piece of a reply. - choice: of which one, from 0; see `ChatOptions.n`."""

    choice: int = 0


class Text(Delta, frozen=True, kw_only=True, tag="text"):
    """The next piece of the answer: whole characters, one or more tokens. - logprobs: of these tokens, if asked for."""

    text: str
    tokens: int = 1
    logprobs: list[TokenLogprob] = []


class Thinking(Delta, frozen=True, kw_only=True, tag="thinking"):
    """The next piece of what the model thinks before it answers."""

    text: str
    tokens: int = 1
    logprobs: list[TokenLogprob] = []


class ToolCallBegan(Delta, frozen=True, kw_only=True, tag="tool_call"):
    """A call; its arguments follow. - index: from 0 within the choice."""

    index: int
    id: str
    name: str


class ToolCallArguments(Delta, frozen=True, kw_only=True, tag="tool_call_arguments"):
    """A piece of a call's arguments; all pieces of an index together are one JSON object."""

    index: int
    json: str


AnyDelta = Text | Thinking | ToolCallBegan | ToolCallArguments
FinishReason = Literal["stop", "length", "tool_calls"]
"""The model's own end or a stop text; a limit; calls that want an answer."""


class Choice(Value, frozen=True, kw_only=True):
    """One whole reply. - stop_text: which of `Sampling.stop` ended it, where one did."""

    text: str
    finish_reason: FinishReason
    stop_text: str | None = None
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    logprobs: list[TokenLogprob] = []


class RankedDocument(Value, frozen=True, kw_only=True):
    """- index: of the document in the request. - score: larger is closer; comparable within one model only."""

    index: int
    score: float


Origin = Literal["library", "folder", "link", "lmstudio", "ollama", "huggingface", "llama.cpp"]
"""Where a model's file lies: our own models folder, a folder of the settings, where a link points to, or with another
program, whose files are only read."""

Fit = Literal["fits", "less-context", "too-large"]
"""Whether a model would load into the memory that is free now: with its usual context, with a shorter one, or not."""


class ModelInfo(Value, frozen=True, kw_only=True):
    """A model on this machine.

    - key: the name to use everywhere, `publisher/name` or `publisher/name@quantization` where several lie together.
    - state: "ready"; "missing" (the file is gone); "broken" (`problem` says why); "partial" (not fully here yet).
    - parameters, context_length: None where the file does not say.
    - loaded: identifiers of running instances.
    - origin: see `Origin`. - parts: files that it consists of. - projector: path of the file that lets it see.
    - sha256: of its file, where it is known; None for a model in several files.
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
    origin: Origin = "library"
    parts: int = 1
    projector: str | None = None
    sha256: str | None = None


class FileOption(Value, frozen=True, kw_only=True):
    """One file, or one set of parts, that a model can be downloaded as.

    - name: what `get` takes, `publisher/name@quantization`. - size_bytes, sha256: None until the hub was asked.
    - parts: files that it consists of. - sources: kinds of places that it can come from. - fit: None while the size is
    unknown. - present: it is on this machine.
    """

    name: str
    quantization: str
    size_bytes: int | None = None
    sha256: str | None = None
    parts: int = 1
    sources: list[str] = []
    fit: Fit | None = None
    present: bool = False


class CatalogEntry(Value, frozen=True, kw_only=True):
    """A model that can be downloaded. - recommended: the file that `get` takes where the name has no quantization.

    - parameters, context_length, minimum_memory_bytes, downloads, likes: None where nobody said.
    - gated: its publisher asks for an agreement and a token first. - catalog: whether it is one of the chosen ones.
    """

    key: str
    publisher: str
    name: str
    aliases: list[str] = []
    title: str = ""
    description: str = ""
    licence: str | None = None
    languages: list[str] = []
    capabilities: list[str] = []
    architecture: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    minimum_memory_bytes: int | None = None
    downloads: int | None = None
    likes: int | None = None
    updated_at: float | None = None
    gated: bool = False
    catalog: bool = False
    files: list[FileOption] = []
    recommended: str | None = None


DownloadState = Literal["queued", "running", "paused", "waiting", "done", "failed", "cancelled"]
"""Waiting: for the network, or for the policy to allow it; it goes on by itself."""


class DownloadInfo(Value, frozen=True, kw_only=True):
    """A download, which the agent owns: it outlives the client that asked for it, and the agent's own restart.

    - id: for `download_pause` and the like. - name: what was asked for. - model: its key once it is ready.
    - source: kind of place that it comes from now. - priority: higher ones go first.
    - problem: why it waits or failed. - hint: what to do about that.
    """

    id: int
    name: str
    state: DownloadState
    progress: Progress | None = None
    source: str | None = None
    priority: int = 0
    requester: str = ""
    created_at: float = 0.0
    model: str | None = None
    problem: str | None = None
    hint: str = ""


class VerifiedModel(Value, frozen=True, kw_only=True):
    """What reading a model's files again showed.

    - outcome: "ok" (as expected); "changed" (other bytes than expected: damaged); "recorded" (nobody knew its digest
    before; now it is kept); "missing" and "broken" as in `ModelInfo.state`. - sha256, expected: of the file that tells.
    """

    key: str
    outcome: Literal["ok", "changed", "recorded", "missing", "broken"]
    sha256: str | None = None
    expected: str | None = None
    problem: str | None = None


class JournalEntry(Value, frozen=True, kw_only=True):
    """One connection to another machine, or the refusal of one.

    - purpose: "catalog", "search", "model-download", "runtime-download", "update-check". - requester: who asked.
    - outcome: None while it is open; "ok", "failed: …", "cancelled", "refused", or "interrupted" where the agent died.
    - bytes_received, bytes_sent: None while open and after "interrupted".
    """

    id: int
    started_at: float
    ended_at: float | None
    purpose: str
    host: str
    bytes_received: int | None
    bytes_sent: int | None
    outcome: str | None
    requester: str
    detail: str


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
    - requests and tokens: since it was loaded, see `Stats`. - last: what the last reply took.
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
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    last: Stats | None = None
    problem: str | None = None


class HttpInfo(Value, frozen=True, kw_only=True):
    """The local HTTP server. `problem` says why it does not listen where it should; `unix_socket` is a path."""

    urls: list[str] = []
    problem: str | None = None
    unix_socket: str | None = None


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
    """An API token without its secret. Times are Unix seconds; `last_used_at` is up to a minute behind."""

    name: str
    scopes: list[Scope]
    created_at: float
    revoked_at: float | None = None
    expires_at: float | None = None
    last_used_at: float | None = None
