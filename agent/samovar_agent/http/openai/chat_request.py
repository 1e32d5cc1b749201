"""The body of `POST /v1/chat/completions`: what is honoured, what is harmless, and what is refused.

No parameter is ignored in silence. One that would change the reply and is not supported is a 400 that names it, unless
it has the value that asks for nothing (`functions: []`); so is one that nobody documented.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, refuse
from samovar_agent.http.openai.chat_messages import ChatMessage, conversation
from samovar_agent.http.openai.chat_tools import ToolChoice, ToolEntry, chosen_tools
from samovar_agent.http.openai.response_format import ResponseFormat, reply_format
from samovar_protocol.values import ChatOptions, Message, Name, Sampling

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "moderation": (),
    "prediction": (),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Documented parameters that are refused, each with the values that ask for nothing; null always does."""

_HINTS = {"function_call": "Use tool_choice instead.", "functions": "Use tools instead."}

_OWN_SAMPLING = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "presence_penalty",
    "frequency_penalty",
    "repeat_last_n",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "ignore_eos",
)
"""Parameters that `Sampling` knows by the same name."""


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- include_usage: one more chunk at the end, without choices, with the token counts."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. Ranges are those of `Sampling` and `ChatOptions`."""

    model: Name
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=20_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    # What the reply may be.
    tools: Annotated[list[ToolEntry], Meta(max_length=1024)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    grammar: Annotated[str, Meta(max_length=1_000_000)] | None = None  # llama.cpp's, in its own notation
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None  # vLLM's and llama.cpp's name; may hold enable_thinking
    logprobs: bool | None = None
    top_logprobs: int | None = None
    # How tokens are chosen.
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None  # any integer, as OpenAI allows; larger and negative ones are folded into our range
    stop: str | list[str] | None = None
    max_tokens: int | None = None  # -1 for no limit, as LM Studio and llama.cpp have it
    max_completion_tokens: int | None = None  # OpenAI's newer name; wins over max_tokens
    # Not OpenAI's, but what local servers understand.
    top_k: int | None = None  # -1 keeps all, like 0
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None  # vLLM's name for it
    repeat_last_n: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: list[str] | None = None
    stop_token_ids: list[int] | None = None  # vLLM's
    ignore_eos: bool | None = None
    # Accepted without effect: nobody here keeps, bills, ranks or screens requests, and prefixes are always cached.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    cache_prompt: Any = None
    # Refused unless they ask for nothing: `_ASKS_FOR_NOTHING`.
    audio: Any = None
    function_call: Any = None
    functions: Any = None
    modalities: Any = None
    moderation: Any = None
    prediction: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    def to_messages(self) -> list[Message]:
        """The conversation; raises `bad_request`, also for parameters that are refused."""
        refuse(self, _ASKS_FOR_NOTHING, "", hints=_HINTS)
        return conversation(self.messages)

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        limit_name = "max_tokens" if self.max_completion_tokens is None else "max_completion_tokens"
        limit = getattr(self, limit_name)
        repeat_name = "repetition_penalty" if self.repeat_penalty is None else "repeat_penalty"
        values = {name: getattr(self, name) for name in _OWN_SAMPLING} | {
            "top_k": 0 if self.top_k == -1 else self.top_k,
            "repeat_penalty": getattr(self, repeat_name),
            "logit_bias": None if self.logit_bias is None else _by_token(self.logit_bias),
            "stop_tokens": self.stop_token_ids,
            "seed": None if self.seed is None else self.seed % 0xFFFFFFFF,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "max_tokens": None if limit == -1 else limit,
        }
        names = {"max_tokens": limit_name, "repeat_penalty": repeat_name, "stop_tokens": "stop_token_ids"}
        return convert(_given(values), Sampling, names)

    def to_options(self) -> ChatOptions:
        """What the reply may be; raises `bad_request` where parameters do not fit together."""
        if self.top_logprobs and not self.logprobs:
            raise bad_request("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
        tools, choice = chosen_tools(self.tools or [], self.tool_choice or "auto")
        values = {
            "tools": tools,
            "tool_choice": choice,
            "parallel_tool_calls": self.parallel_tool_calls,
            "reply_format": reply_format(self.response_format, self.grammar),
            "thinking": self._thinking(),
            "template_arguments": self._template_arguments(),
            "n": self.n,
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
        }
        return convert(_given(values), ChatOptions, {})

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def _thinking(self) -> bool | None:
        told = (self.chat_template_kwargs or {}).get("enable_thinking")
        if told is None:
            return None if self.reasoning_effort is None else self.reasoning_effort != "none"
        if not isinstance(told, bool):
            raise bad_request(
                "'chat_template_kwargs.enable_thinking' is neither true nor false.",
                param="chat_template_kwargs.enable_thinking",
            )
        return told

    def _template_arguments(self) -> dict[str, Any]:
        """Templates that know degrees of thinking call them as OpenAI does."""
        effort = {} if self.reasoning_effort in (None, "none") else {"reasoning_effort": self.reasoning_effort}
        arguments = effort | (self.chat_template_kwargs or {})
        arguments.pop("enable_thinking", None)
        return arguments


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _by_token(bias: dict[str, float]) -> dict[int, float]:
    for token in bias:
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise bad_request(f"'{token[:50]}' in 'logit_bias' is not a token's number.", param="logit_bias")
    return {int(token): value for token, value in bias.items()}
