"""The body of `POST /v1/chat/completions`: what is honoured, what is harmless, and what is refused.

No parameter is ignored in silence. One that would change the reply and is not supported is a 400 that names it, unless
it has the value that asks for nothing (`functions: []`); so is one that nobody documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, refuse
from samovar_agent.http.openai.chat_messages import ChatMessage, conversation
from samovar_agent.http.openai.chat_tools import ToolChoice, ToolEntry, chosen_tools
from samovar_agent.http.openai.response_format import ResponseFormat, reply_format, unseen_of
from samovar_agent.http.openai.sampling_fields import SamplingFields, by_token, given
from samovar_agent.http.openai.without_effect import (
    CacheOptions,
    CacheRetention,
    Metadata,
    ServiceTier,
    without_effect,
)
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


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- include_usage: one more chunk at the end, without choices, with the token counts."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatRequest(SamplingFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. Ranges are those of `ChatOptions`.

    - model: its key, an alias, or the identifier of one that is in memory; without it the one in memory, or the only
    one.
    """

    model: Name | None = None
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=20_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    # What the reply may be.
    tools: Annotated[list[ToolEntry], Meta(max_length=1024)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None  # vLLM's and llama.cpp's name; may hold enable_thinking
    logprobs: bool | None = None
    top_logprobs: int | None = None
    # How tokens are chosen, beside `SamplingFields`.
    logit_bias: Annotated[dict[str, float], Meta(max_length=1024)] | None = None
    max_completion_tokens: int | None = None  # OpenAI's newer name; wins over max_tokens
    stats: bool | None = None  # told in the reply as LM Studio tells them
    # Accepted, and told to be without effect.
    user: str | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    service_tier: ServiceTier | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | None = None
    prompt_cache_retention: CacheRetention | None = None
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
        if self.steps.joined:
            raise bad_request("The sampler 'infill' is for filling in, and not for a chat.", param="samplers")
        limit = "max_tokens" if self.max_completion_tokens is None else "max_completion_tokens"
        return self.sampling(limit=limit, logit_bias=by_token(self.logit_bias))

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
        return convert(given(values), ChatOptions, {})

    def to_headers(self, thinks: Callable[[], bool]) -> dict[str, str]:
        """What a reply says of parameters without effect. - thinks: whether the model can, where it matters."""
        further = unseen_of(self.response_format)
        if self.reasoning_effort not in (None, "none") and not thinks():
            further.append("reasoning_effort")
        if self.max_completion_tokens is not None and self.max_tokens not in (None, self.max_completion_tokens):
            further.append("max_tokens")
        return without_effect(self, further=further)

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
